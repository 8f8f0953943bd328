//! Calls a function that is defined nowhere: the declaration has its name wrong.
#![no_std]

#[link(wasm_import_module = "wasi_snapshot_preview1")]
unsafe extern "C" {
    safe fn fd_wirte(fd: u32, iovs: u32, iovs_len: u32, written: u32) -> u16;
}

#[unsafe(no_mangle)]
extern "C" fn _start() {
    fd_wirte(1, 0, 0, 0);
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    core::arch::wasm32::unreachable()
}
