//! A desk of a bank: it exports a standing order, which owns an account that the host implements.
//! Notice that nothing is closed by hand: a Rust value that goes out of scope drops its handle.
//! Run: just run resources

wit_bindgen::generate!({ path: "../../wit/resources" });

use bank::desk::ledger::Account;
use exports::bank::desk::saving::{Guest, GuestStandingOrder};

struct Desk;

export!(Desk);

impl Guest for Desk {
    type StandingOrder = Order;
}

/// What a `standing-order` is in here. To the host it is a handle and no more.
struct Order {
    savings: Account, // a handle too, to what the host keeps: owned, so this side drops it
    cents: u32,
}

impl GuestStandingOrder for Order {
    fn new(name: String, cents: u32) -> Self {
        assert!(cents > 0, "a standing order moves at least one cent");
        Self { savings: Account::new(&name), cents }
    }

    // A borrow is a reference here: that it is not kept after the call, the compiler sees to.
    fn run(&self, source: &Account) -> Result<u32, u32> {
        source.pay(&self.savings, self.cents)
    }
}
