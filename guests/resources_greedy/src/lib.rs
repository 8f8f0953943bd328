//! Another desk of the bank: it opens accounts without end, with as many letters as it gets cents.
//! Notice that its own memory holds handles only; it is the host that keeps the accounts.
//! Run: just run resources

wit_bindgen::generate!({ path: "../../wit/resources" });

use std::cell::RefCell;

use bank::desk::ledger::Account;
use exports::bank::desk::saving::{Guest, GuestStandingOrder};

struct Desk;

export!(Desk);

impl Guest for Desk {
    type StandingOrder = Order;
}

struct Order {
    kept: RefCell<Vec<Account>>, // a method gets `&self` only, so what changes is in a cell
    letters: usize,
}

impl GuestStandingOrder for Order {
    fn new(_name: String, cents: u32) -> Self {
        Self { kept: RefCell::default(), letters: cents as usize }
    }

    fn run(&self, _source: &Account) -> Result<u32, u32> {
        loop {
            let name = "x".repeat(self.letters);
            self.kept.borrow_mut().push(Account::new(&name));
        }
    }
}
