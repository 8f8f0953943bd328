//! A program, and no plug-in: a component of another world.

fn main() {
    println!("hello");
}
