//! The same service for WASI 0.2, on the crate wstd.
//! Notice that it reads like the other: what differs between 0.2 and 0.3 is below the libraries.
//! Run: just run http

use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_lite::stream;
use serde::{Deserialize, Serialize};
use wstd::http::body::Bytes;
use wstd::http::{Body, Client, Error, Method, Request, Response, StatusCode};
use wstd::task::sleep;
use wstd::time::Duration;

type Answer = Result<Response<Body>, Error>;

/// Requests that this instance has seen.
static SEEN: AtomicUsize = AtomicUsize::new(0);

#[wstd::http_server]
async fn main(request: Request<Body>) -> Answer {
    let seen = SEEN.fetch_add(1, Ordering::Relaxed) + 1;
    let allowed = match request.uri().path() {
        "/" | "/count" | "/fetch" | "/stream" => Method::GET,
        "/total" => Method::POST,
        _ => return text(StatusCode::NOT_FOUND, "there is nothing here\n"),
    };
    let head = request.method() == Method::HEAD && allowed == Method::GET;
    if request.method() != allowed && !head {
        let response = Response::builder().status(StatusCode::METHOD_NOT_ALLOWED);
        let response = response.header("allow", allowed.as_str());
        return Ok(response.body(format!("this takes {allowed}\n").into())?);
    }
    match request.uri().path() {
        "/count" => text(StatusCode::OK, &format!("{seen}\n")),
        "/fetch" => fetch(&request).await,
        "/stream" => stream(),
        "/total" => total(request).await,
        _ => text(StatusCode::OK, "hello from WASI 0.2\n"),
    }
}

fn text(status: StatusCode, text: &str) -> Answer {
    answer(status, "text/plain", text.to_owned())
}

fn answer(status: StatusCode, kind: &str, body: String) -> Answer {
    Ok(Response::builder().status(status).header("content-type", kind).body(body.into())?)
}

#[derive(Deserialize)]
struct Prices {
    prices: Vec<u32>,
}

#[derive(Serialize)]
struct Total {
    count: usize,
    total: u64,
}

/// Adds up what is in the body.
async fn total(request: Request<Body>) -> Answer {
    let mut body = request.into_body();
    let prices = match serde_json::from_slice(body.contents().await?) {
        Ok(Prices { prices }) => prices,
        Err(error) => {
            return text(StatusCode::BAD_REQUEST, &format!("not a list of prices: {error}\n"));
        }
    };
    let total = Total { count: prices.len(), total: prices.iter().map(|&p| u64::from(p)).sum() };
    let json = serde_json::to_string(&total)?;
    answer(StatusCode::OK, "application/json", format!("{json}\n"))
}

/// A body that is made while it is sent.
fn stream() -> Answer {
    let lines = stream::unfold(1, |line| async move {
        if line > 3 {
            return None;
        }
        sleep(Duration::from_millis(10)).await;
        Some((Ok::<_, Infallible>(Bytes::from(format!("line {line}\n"))), line + 1))
    });
    Ok(Response::new(Body::from_try_stream(lines)))
}

/// Passes on what another server answers: the one in `?from=HOST:PORT/PATH`, or this one.
async fn fetch(request: &Request<Body>) -> Answer {
    let own = request.uri().authority().map(|authority| authority.as_str()).unwrap_or_default();
    let from = request.uri().query().and_then(|query| query.strip_prefix("from=")).unwrap_or(own);
    let (host, path) = from.split_once('/').unwrap_or((from, ""));
    let Ok(outgoing) = Request::get(format!("http://{host}/{path}")).body(Body::empty()) else {
        return text(StatusCode::BAD_REQUEST, "this is no address\n");
    };
    let mut client = Client::new();
    client.set_between_bytes_timeout(Duration::from_secs(2)); // of a body that has begun
    match client.send(outgoing).await {
        Ok(response) => Ok(response),
        Err(error) => text(StatusCode::BAD_GATEWAY, &format!("no answer: {error}\n")),
    }
}
