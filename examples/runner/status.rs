//! Ends with the status that is its argument.

fn main() {
    let status = std::env::args().nth(1).and_then(|status| status.parse().ok());
    std::process::exit(status.unwrap_or(0));
}
