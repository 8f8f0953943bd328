//! Prints a line, and then breaks off.

fn main() {
    println!("so far, good");
    std::process::abort();
}
