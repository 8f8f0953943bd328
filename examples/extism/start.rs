//! A plug-in that computes before anybody calls it, and does not end.

#[unsafe(no_mangle)]
pub extern "C" fn _initialize() {
    loop {
        std::hint::spin_loop();
    }
}

#[unsafe(no_mangle)]
pub extern "C" fn moderate() -> i32 {
    0
}
