//! The hello of guests/no_std with a heap: `String` and `format!` from `alloc`.
//! Notice what that takes: a global allocator, which asks the engine for memory by the page.
//! Run: just run no_std

// Natively, where an editor checks it too, and in tests this is an empty crate.
#![cfg_attr(all(target_family = "wasm", not(test)), no_std)]
#![cfg(all(target_family = "wasm", not(test)))]

extern crate alloc;

use alloc::format;

#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

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

#[unsafe(no_mangle)]
extern "C" fn _start() {
    let squares: alloc::vec::Vec<_> = (1..=5).map(|n| n * n).collect();
    let text = format!("a Vec without std: {squares:?}\n");
    let text = Ciovec { buf: text.as_ptr(), len: text.len() };
    let mut written = 0;
    // SAFETY: both pointers lead to locals that outlive the call. The errno it returns is dropped:
    // a guest that cannot print has no way to say so.
    unsafe { fd_write(STDOUT, &text, 1, &mut written) };
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    core::arch::wasm32::unreachable()
}
