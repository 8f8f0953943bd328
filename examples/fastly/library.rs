//! A library, which has no `_start`.

#[unsafe(no_mangle)]
pub extern "C" fn answer() -> u32 {
    42
}
