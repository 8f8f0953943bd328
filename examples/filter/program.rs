//! A program for the page: a component that exports `main`, and no `filter`.

fn main() {}
