//! Plays the client of this host: sends it requests and prints what comes back.
//! Notice that what a guest answered is printed with its control characters spelled out.
//! Run: just run http

use std::io::{self, Write};
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{Method, Request, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use wasmtime::Result;

use crate::harmless;

/// Bytes of a body that are printed.
const MOST_SHOWN: usize = 1000;

/// A request to send: `METHOD PATH [BODY]`.
#[derive(Clone)]
pub struct Asked {
    method: Method,
    path: PathAndQuery,
    body: String,
}

impl FromStr for Asked {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (method, rest) = text.split_once(' ').ok_or("write METHOD PATH, such as 'GET /'")?;
        let (path, body) = rest.split_once(' ').unwrap_or((rest, ""));
        let method = method.parse().map_err(|_| "not an HTTP method".to_owned())?;
        if !path.starts_with('/') {
            return Err("a path begins with /".to_owned());
        }
        let path = path.parse().map_err(|error| format!("not a path: {error}"))?;
        Ok(Self { method, path, body: body.to_owned() })
    }
}

/// How long after one request the next is sent, when they are to be there together.
const APART: Duration = Duration::from_millis(300);

/// Sends requests and prints the answers in their order. The next one is sent after the answer to the
/// one before, or together with it. When nobody reads the answers any more, that is the end.
///
/// # Errors
/// If the host cannot be reached, or an answer cannot be printed.
pub async fn play(to: SocketAddr, requests: Vec<Asked>, together: bool) -> Result<()> {
    let mut sent = JoinSet::new();
    let mut answers = vec![String::new(); requests.len()];
    for (at, request) in requests.into_iter().enumerate() {
        sent.spawn(async move { (at, ask(to, request).await) });
        if together {
            tokio::time::sleep(APART).await;
        } else {
            collect(&mut sent, &mut answers).await?;
            if !print(&std::mem::take(&mut answers[at]))? {
                return Ok(());
            }
        }
    }
    collect(&mut sent, &mut answers).await?;
    print(&answers.concat())?;
    Ok(())
}

/// Prints a text, and says whether there is still a reader.
fn print(text: &str) -> io::Result<bool> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        written => written.map(|()| true),
    }
}

async fn collect(
    sent: &mut JoinSet<(usize, Result<String>)>,
    answers: &mut [String],
) -> Result<()> {
    while let Some(joined) = sent.join_next().await {
        let (at, answer) = joined?;
        answers[at] = answer?;
    }
    Ok(())
}

/// Sends a request on a connection of its own. Returns a text to print.
async fn ask(to: SocketAddr, asked: Asked) -> Result<String> {
    let stream = TcpStream::connect(to).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let request = Request::builder().method(&asked.method).uri(asked.path.as_str());
    let request = request.header(header::HOST, to.to_string());
    let request = request.body(Full::new(Bytes::from(asked.body)))?;
    let mut text = format!("{} {}: ", asked.method, asked.path);
    let mut response = match sender.send_request(request).await {
        Ok(response) => response,
        Err(error) => return Ok(format!("{text}no answer: {error}\n")),
    };
    text += &format!("{}\n", response.status().as_u16());
    let mut body = Vec::new();
    let mut end = "";
    while let Some(frame) = response.frame().await {
        match frame {
            Ok(frame) => body.extend(frame.data_ref().into_iter().flatten()),
            Err(_) => end = "(cut off)\n",
        }
    }
    let shown = String::from_utf8_lossy(&body[..body.len().min(MOST_SHOWN)]);
    for line in shown.lines() {
        text += &format!("{}\n", harmless(line));
    }
    if body.len() > MOST_SHOWN {
        text += &format!("(and so on, {} bytes)\n", body.len());
    }
    Ok(text + end)
}
