//! The program of the second table: one line, by std.

fn main() {
    println!("hello");
}
