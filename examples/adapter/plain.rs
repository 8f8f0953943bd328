//! A library without WIT: nothing in the module says what its function means.

#[unsafe(no_mangle)]
extern "C" fn draw(number: u32) -> u32 {
    number + 1
}
