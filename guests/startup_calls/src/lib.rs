//! What `just bench` calls to see what a call costs: numbers, text, a list of records, a method.
//! Notice that nothing is computed here. What crosses the boundary is all there is.
//! Run: just bench

wit_bindgen::generate!({ path: "../../wit/startup_calls" });

use std::cell::Cell;

use exports::bench::calls::things;

struct Calls;

export!(Calls);

impl Guest for Calls {
    fn add(a: u32, b: u32) -> u32 {
        a.wrapping_add(b)
    }

    fn add_in_host(times: u32) -> u32 {
        (0..times).fold(0, bench::calls::host::add)
    }

    fn echo(text: String) -> String {
        text
    }

    fn pieces(items: Vec<Item>) -> u32 {
        items.iter().map(|item| item.quantity).sum()
    }
}

impl things::Guest for Calls {
    type Counter = Counter;
}

#[derive(Default)]
struct Counter(Cell<u32>);

impl things::GuestCounter for Counter {
    fn new() -> Self {
        Self::default()
    }

    fn add(&self, n: u32) -> u32 {
        self.0.set(self.0.get().wrapping_add(n));
        self.0.get()
    }
}
