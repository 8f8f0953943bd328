//! A module whose memory may be shared between threads.
#![no_std]
#![no_main]

#[unsafe(no_mangle)]
pub extern "C" fn _start() {}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    loop {}
}
