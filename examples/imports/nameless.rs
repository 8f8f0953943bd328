//! Declares an import without saying in which module it is.

unsafe extern "C" {
    safe fn exchange(cents: u32) -> u32;
}

fn main() {
    exchange(1250);
}
