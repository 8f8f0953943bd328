//! Calls a function that nobody defines: the module imports it from `env`.

unsafe extern "C" {
    fn temperature() -> i32;
}

fn main() {
    // SAFETY: nothing is passed, and a number comes back.
    println!("{}", unsafe { temperature() });
}
