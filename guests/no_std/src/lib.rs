//! Prints a line without std: one import of WASI preview 1, called by hand.
//! Notice that a command is no more than an exported `_start` and a memory.
//! Run: just run no_std

// Natively, where an editor checks it too, and in tests this is an empty crate.
#![cfg_attr(all(target_family = "wasm", not(test)), no_std)]
#![cfg(all(target_family = "wasm", not(test)))]

use core::sync::atomic::AtomicUsize;

/// Bytes to write: `ciovec` of the preview 1 witx.
#[repr(C)]
struct Ciovec {
    buf: *const u8,
    len: usize,
}

// SAFETY: what it points to is never written.
unsafe impl Sync for Ciovec {}

#[link(wasm_import_module = "wasi_snapshot_preview1")]
unsafe extern "C" {
    fn fd_write(fd: u32, iovs: *const Ciovec, iovs_len: usize, written: *mut usize) -> u16;
}

const STDOUT: u32 = 1;
const TEXT: &[u8] = b"hello without std\n";

// Statics where locals would do: a function without locals in memory needs no stack pointer.
static HELLO: Ciovec = Ciovec { buf: TEXT.as_ptr(), len: TEXT.len() };
static WRITTEN: AtomicUsize = AtomicUsize::new(0);

#[unsafe(no_mangle)]
extern "C" fn _start() {
    // SAFETY: both pointers lead to statics. The errno that comes back is dropped: a guest that
    // cannot print has no way to say so.
    unsafe { fd_write(STDOUT, &HELLO, 1, WRITTEN.as_ptr()) };
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    core::arch::wasm32::unreachable()
}
