//! Plays the client of this host: sends it requests and prints what comes back.
//! Notice that it prints as the client of `http_host` does, so that their answers can be compared.
//! Run: just run fastly

use std::io::{self, Write};
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Result, ensure};
use hyper::body::HttpBody;
use hyper::{Body, Client, Method, Request};

use crate::harmless;

/// Bytes of a body that are printed.
const MOST_SHOWN: usize = 1000;

/// A request to send: `METHOD PATH [BODY]`.
#[derive(Clone)]
pub struct Asked {
    method: Method,
    path: String,
    body: String,
}

impl FromStr for Asked {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (method, rest) = text.split_once(' ').ok_or("write METHOD PATH, such as 'GET /'")?;
        let (path, body) = rest.split_once(' ').unwrap_or((rest, ""));
        let method = method.parse().map_err(|_| "no method of http".to_owned())?;
        if !path.starts_with('/') {
            return Err("a path begins with /".to_owned());
        }
        Ok(Self { method, path: path.to_owned(), body: body.to_owned() })
    }
}

/// Sends requests, one after the other, and prints the answers.
///
/// # Errors
/// If nobody reads the answers, or one did not come within `time`.
pub async fn play(to: SocketAddr, requests: &[Asked], time: Duration) -> Result<()> {
    let mut missing = 0;
    for asked in requests {
        let answer = tokio::time::timeout(time, ask(to, asked)).await;
        let (came, text) = match answer {
            Ok(Ok(text)) => (true, text),
            Ok(Err(error)) => (false, format!("no answer: {error}\n")),
            Err(_) => (false, format!("no answer within {time:?}\n")),
        };
        missing += usize::from(!came);
        write!(io::stdout(), "{} {}: {text}", asked.method, asked.path)?;
    }
    ensure!(missing == 0, "{missing} of {} requests got no answer", requests.len());
    Ok(())
}

/// Sends a request on a connection of its own. Returns a text to print.
async fn ask(to: SocketAddr, asked: &Asked) -> Result<String> {
    let request = Request::builder().method(&asked.method);
    let request = request.uri(format!("http://{to}{}", asked.path));
    let response = Client::new().request(request.body(Body::from(asked.body.clone()))?).await?;
    let mut text = format!("{}\n", response.status().as_u16());
    // What is not printed is not kept: a program may send more than there is memory for.
    let (mut body, mut start, mut length) = (response.into_body(), Vec::new(), 0);
    while let Some(piece) = body.data().await {
        let piece = piece?;
        length += piece.len();
        start.extend_from_slice(&piece[..piece.len().min(MOST_SHOWN - start.len())]);
    }
    let shown = String::from_utf8_lossy(&start);
    for line in shown.lines() {
        text += &format!("{}\n", harmless(line));
    }
    if length > MOST_SHOWN {
        text += &format!("(and so on, {length} bytes)\n");
    }
    Ok(text)
}
