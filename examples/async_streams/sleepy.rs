//! A program for the page: it prints, sleeps for a moment, and prints again.

fn main() {
    println!("asleep");
    std::thread::sleep(std::time::Duration::from_millis(10));
    println!("awake");
}
