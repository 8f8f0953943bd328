//! Prints a line without std: one import of WASI preview 1, called by hand.
//! Notice that a command is no more than an exported `_start` and a memory.
//! Run: just run no_std

#![no_std]
#![cfg(all(target_family = "wasm", not(test)))] // elsewhere, and for tests, an empty crate

/// Bytes to write: `ciovec` of the preview 1 witx.
#[repr(C)]
struct Ciovec {
    buf: *const u8,
    len: usize,
}

#[link(wasm_import_module = "wasi_snapshot_preview1")]
unsafe extern "C" {
    fn fd_write(fd: u32, iovs: *const Ciovec, iovs_len: usize, written: *mut usize) -> u16;
}

const STDOUT: u32 = 1;
const HELLO: &[u8] = b"hello without std\n";

#[unsafe(no_mangle)]
extern "C" fn _start() {
    let hello = Ciovec {
        buf: HELLO.as_ptr(),
        len: HELLO.len(),
    };
    let mut written = 0;
    // SAFETY: both pointers lead to locals that outlive the call. The errno it returns is dropped:
    // a guest that cannot print has no way to say so.
    unsafe { fd_write(STDOUT, &hello, 1, &mut written) };
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    core::arch::wasm32::unreachable()
}
