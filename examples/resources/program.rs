//! A program: a component that exports the entry point of a command, and nothing of a bank's.

fn main() {}
