//! The hello of guests/no_std with std, to compare with.
//! Notice what one line costs: the formatting, the locks and the exit code that come with it.
//! Run: just run no_std

fn main() {
    println!("hello with std");
}
