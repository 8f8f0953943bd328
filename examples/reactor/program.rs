//! A program: it has a `main` and nothing for a host to call later.

fn main() {}
