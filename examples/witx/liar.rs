//! Writes an entry of a level that there is not, through the bindings that witx-codegen made.

#[allow(dead_code)]
#[path = "../../guests/witx/src/journal.rs"]
mod journal;

fn main() {
    let _ = journal::append(7, "started".as_ptr(), 7);
}
