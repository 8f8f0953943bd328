//! A shop on Fastly's platform: a program that is started for each request.
//! Notice that what it has from the platform it names, and holds no address, no file and no key.
//! Run: just run fastly

mod shop;

use fastly::geo::geo_lookup;
use fastly::http::header::CONTENT_TYPE;
use fastly::{ConfigStore, Error, Request, Response};

use shop::Route;

#[fastly::main]
fn main(mut request: Request) -> Result<Response, Error> {
    let answer = match shop::route(request.get_method_str(), request.get_path()) {
        Ok(Route::Greeting) => shop::greeting(setting("greeting")),
        Ok(Route::Total) => shop::total(&request.take_body_bytes()),
        Ok(Route::Stock) => shop::stock(ask_warehouse()),
        Ok(Route::Shelf) => shop::shelf(),
        Ok(Route::Place) => shop::place(city(&request)),
        Err(answer) => answer,
    };
    let response = Response::from_status(answer.status).with_header(CONTENT_TYPE, answer.kind);
    Ok(response.with_body(answer.body))
}

/// From the config store `shop`, a table of the platform's that is changed without a new build.
fn setting(name: &str) -> Option<String> {
    ConfigStore::try_open("shop").ok()?.try_get(name).ok()?
}

/// From the backend `warehouse`. What that address is, the platform knows.
fn ask_warehouse() -> Result<String, String> {
    match Request::get("http://warehouse/shelf").send("warehouse") {
        Ok(mut response) => Ok(response.take_body_str()),
        Err(error) => Err(error.to_string()),
    }
}

/// From the address of the client, which the platform tells, and its map of the world.
fn city(request: &Request) -> Option<String> {
    let place = geo_lookup(request.get_client_ip_addr()?)?;
    Some(place.city().to_owned())
}
