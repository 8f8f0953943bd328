//! Ends with a status that WASI preview 1 cannot pass on.

fn main() {
    std::process::exit(200);
}
