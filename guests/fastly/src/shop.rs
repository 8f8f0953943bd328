//! What the shop answers. It knows neither who asks nor by which functions an answer leaves.
//! Notice that guests/fastly and guests/fastly_http have this file, byte for byte.
//! Run: just run fastly

use serde::{Deserialize, Serialize};

/// What a request is about.
pub enum Route {
    Greeting,
    Total,
    /// What the warehouse has. It is another server; here the shop itself plays it, at `Shelf`.
    Stock,
    Shelf,
    /// Where the client is.
    Place,
}

pub struct Answer {
    pub status: u16,
    pub kind: &'static str,
    pub body: String,
}

pub fn route(method: &str, path: &str) -> Result<Route, Answer> {
    let (takes, route) = match path {
        "/" => ("GET", Route::Greeting),
        "/total" => ("POST", Route::Total),
        "/stock" => ("GET", Route::Stock),
        "/shelf" => ("GET", Route::Shelf),
        "/place" => ("GET", Route::Place),
        _ => return Err(text(404, "there is nothing here")),
    };
    if method == takes { Ok(route) } else { Err(text(405, &format!("this takes {takes}"))) }
}

/// Greets as the shop's settings say.
pub fn greeting(setting: Option<String>) -> Answer {
    text(200, setting.as_deref().unwrap_or("hello"))
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

pub fn total(body: &[u8]) -> Answer {
    let prices = match serde_json::from_slice(body) {
        Ok(Prices { prices }) => prices,
        Err(error) => return text(400, &format!("not a list of prices: {error}")),
    };
    let total =
        Total { count: prices.len(), total: prices.iter().map(|&price| u64::from(price)).sum() };
    let json = serde_json::to_string(&total).unwrap_or_default();
    Answer { status: 200, kind: "application/json", body: format!("{json}\n") }
}

/// Passes on what the warehouse answered, or why it did not.
pub fn stock(answered: Result<String, String>) -> Answer {
    match answered {
        Ok(shelf) => text(200, &format!("in stock: {}", shelf.trim_end())),
        Err(error) => text(502, &format!("the warehouse does not answer: {error}")),
    }
}

pub fn shelf() -> Answer {
    text(200, "3 lamps")
}

pub fn place(city: Option<String>) -> Answer {
    match city {
        Some(city) => text(200, &format!("we deliver to {city}")),
        None => text(501, "nobody here knows where you are"),
    }
}

fn text(status: u16, line: &str) -> Answer {
    Answer { status, kind: "text/plain", body: format!("{line}\n") }
}
