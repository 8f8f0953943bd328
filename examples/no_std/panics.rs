//! A guest without std that panics: its handler has no way to say why.
#![no_std]

#[unsafe(no_mangle)]
extern "C" fn _start() {
    panic!("nobody will read this");
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    core::arch::wasm32::unreachable()
}
