//! The same shop as a component of WASI 0.3, for any host that has `wasi:http`.
//! Notice that all of shop.rs is as it was, and that one function of the others cannot be written.
//! Run: just run fastly

mod shop;

use std::env;

use http::{Request, header};
use http_body_util::BodyExt;
use wasip3::http::client;
use wasip3::http::types::{self, ErrorCode};
use wasip3::http_compat::{self, IncomingRequestBody};

use shop::Route;

struct Shop;

wasip3::http::service::export!(Shop);

impl wasip3::exports::http::handler::Guest for Shop {
    async fn handle(request: types::Request) -> Result<types::Response, ErrorCode> {
        let request = http_compat::http_from_wasi_request(request)?;
        let answer = match shop::route(request.method().as_str(), request.uri().path()) {
            Ok(Route::Greeting) => shop::greeting(setting("greeting")),
            Ok(Route::Total) => shop::total(&request.into_body().collect().await?.to_bytes()),
            Ok(Route::Stock) => shop::stock(ask_warehouse(&request).await),
            Ok(Route::Shelf) => shop::shelf(),
            Ok(Route::Place) => shop::place(None), // wasi:http does not say who the client is
            Err(answer) => answer,
        };
        let response = http::Response::builder().status(answer.status);
        let response = response.header(header::CONTENT_TYPE, answer.kind).body(answer.body);
        let response = response.map_err(|e| ErrorCode::InternalError(Some(e.to_string())))?;
        http_compat::http_into_wasi_response(response)
    }
}

/// From the environment that the host grants.
fn setting(name: &str) -> Option<String> {
    env::var(name).ok()
}

/// From an address, which the guest has to know. Here it is the one that this request was sent to, so that
/// the shop can play its own warehouse. A client writes that as it likes: a real shop takes it from a setting.
async fn ask_warehouse(request: &Request<IncomingRequestBody>) -> Result<String, String> {
    let own = request.uri().authority().map(|authority| authority.as_str()).unwrap_or_default();
    let outgoing = Request::get(format!("http://{own}/shelf")).body(String::new());
    let outgoing = outgoing.map_err(|error| error.to_string())?;
    let failed = |error: ErrorCode| format!("{error:?}");
    let outgoing = http_compat::http_into_wasi_request(outgoing).map_err(failed)?;
    let response = client::send(outgoing).await.map_err(failed)?;
    let response = http_compat::http_from_wasi_response(response).map_err(failed)?;
    let body = response.into_body().collect().await.map_err(failed)?.to_bytes();
    Ok(String::from_utf8_lossy(&body).into_owned())
}
