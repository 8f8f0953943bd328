//! Prints a line; it is built as a component, which the small engines do not take.
fn main() {
    println!("hello");
}
