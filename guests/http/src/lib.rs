//! A web service for WASI 0.3: a greeting, a sum in JSON, a body that is streamed, and a request of
//! its own.
//! Notice that the service knows no address and no port: it is called with a request and returns.
//! Run: just run http

use std::sync::atomic::{AtomicUsize, Ordering};

use http::{Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use serde::{Deserialize, Serialize};
use wasip3::clocks::monotonic_clock;
use wasip3::http::client;
use wasip3::http::types::{self, ErrorCode, Fields};
use wasip3::http_compat::{self, IncomingRequestBody};
use wasip3::wit_bindgen::spawn_local;
use wasip3::{wit_future, wit_stream};

struct Service;

wasip3::http::service::export!(Service);

type Answer = Result<types::Response, ErrorCode>;

/// Requests that this instance has seen, in all and just now: what lives on between two requests where
/// the host lets them share an instance.
static SEEN: AtomicUsize = AtomicUsize::new(0);
static HERE: AtomicUsize = AtomicUsize::new(0);

impl wasip3::exports::http::handler::Guest for Service {
    async fn handle(request: types::Request) -> Answer {
        let seen = SEEN.fetch_add(1, Ordering::Relaxed) + 1;
        let request = http_compat::http_from_wasi_request(request)?;
        let allowed = match request.uri().path() {
            "/" | "/count" | "/fetch" | "/meet" | "/stream" => Method::GET,
            "/total" => Method::POST,
            _ => return text(StatusCode::NOT_FOUND, "there is nothing here\n"),
        };
        let head = request.method() == Method::HEAD && allowed == Method::GET;
        if request.method() != allowed && !head {
            return not_allowed(&allowed);
        }
        match request.uri().path() {
            "/count" => text(StatusCode::OK, &format!("{seen}\n")),
            "/fetch" => fetch(&request).await,
            "/meet" => meet(seen).await,
            "/stream" => stream(),
            "/total" => total(request).await,
            _ => text(StatusCode::OK, "hello from WASI 0.3\n"),
        }
    }
}

fn text(status: StatusCode, text: &str) -> Answer {
    answer(status, "text/plain", text.to_owned())
}

fn answer(status: StatusCode, kind: &str, body: String) -> Answer {
    let response = http::Response::builder().status(status).header(header::CONTENT_TYPE, kind);
    let response = response.header(header::CONTENT_LENGTH, body.len());
    let response =
        response.body(body).map_err(|e| ErrorCode::InternalError(Some(e.to_string())))?;
    http_compat::http_into_wasi_response(response)
}

fn not_allowed(allowed: &Method) -> Answer {
    let body = format!("this takes {allowed}\n");
    let response = http::Response::builder().status(StatusCode::METHOD_NOT_ALLOWED);
    let response = response.header(header::ALLOW, allowed.as_str()).body(body);
    let response = response.map_err(|e| ErrorCode::InternalError(Some(e.to_string())))?;
    http_compat::http_into_wasi_response(response)
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

/// Adds up what is in the body, which is read as it comes in.
async fn total(request: Request<IncomingRequestBody>) -> Answer {
    let body = request.into_body().collect().await?.to_bytes();
    let prices = match serde_json::from_slice(&body) {
        Ok(Prices { prices }) => prices,
        Err(error) => {
            return text(StatusCode::BAD_REQUEST, &format!("not a list of prices: {error}\n"));
        }
    };
    let total =
        Total { count: prices.len(), total: prices.iter().map(|&price| u64::from(price)).sum() };
    let json = serde_json::to_string(&total).unwrap_or_default();
    answer(StatusCode::OK, "application/json", format!("{json}\n"))
}

/// A body that is written after this has returned: its reader sets the pace.
fn stream() -> Answer {
    let (mut body, contents) = wit_stream::new();
    let (end, trailers) = wit_future::new(|| Ok(None));
    let (response, _sent) = types::Response::new(Fields::new(), Some(contents), trailers);
    spawn_local(async move {
        for line in 1..=3 {
            let left = body.write_all(format!("line {line}\n").into_bytes()).await;
            if !left.is_empty() {
                return; // nobody reads any more
            }
            monotonic_clock::wait_for(10_000_000).await; // nanoseconds
        }
        drop(body);
        let _ = end.write(Ok(None)).await; // no trailers, and no error: the body is complete
    });
    Ok(response)
}

/// Passes on what another server answers: the one in `?from=HOST:PORT/PATH`, or this one.
async fn fetch(request: &Request<IncomingRequestBody>) -> Answer {
    let own = request.uri().authority().map(|authority| authority.as_str()).unwrap_or_default();
    let from = request.uri().query().and_then(|query| query.strip_prefix("from="));
    let (host, path) = from.unwrap_or(own).split_once('/').unwrap_or((from.unwrap_or(own), ""));
    let uri = format!("http://{host}/{path}");
    let Ok(outgoing) = Request::get(&uri).body(String::new()) else {
        return text(StatusCode::BAD_REQUEST, "this is no address\n");
    };
    match client::send(http_compat::http_into_wasi_request(outgoing)?).await {
        Ok(response) => Ok(response),
        Err(error) => text(StatusCode::BAD_GATEWAY, &format!("no answer: {error:?}\n")),
    }
}

/// Waits for another request in this instance, for at most two seconds.
async fn meet(seen: usize) -> Answer {
    let mut met = HERE.fetch_add(1, Ordering::Relaxed) > 0;
    for _ in 0..200 {
        met |= SEEN.load(Ordering::Relaxed) > seen;
        if met {
            break;
        }
        monotonic_clock::wait_for(10_000_000).await;
    }
    HERE.fetch_sub(1, Ordering::Relaxed);
    text(StatusCode::OK, if met { "met another request\n" } else { "met nobody\n" })
}
