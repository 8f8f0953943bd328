//! Declares an import as it was done until edition 2024.

extern "C" {
    fn exchange(cents: u32) -> u32;
}

fn main() {
    unsafe { exchange(1250) };
}
