//! A program, and no server: a component that exports `run`.

fn main() {
    println!("nobody asked for this");
}
