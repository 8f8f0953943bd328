//! Greets, tells the year and ends with a status, in preview 0, the WASI of 2019.
//! Notice the module's name, `wasi_unstable`: no Rust target has it any more, so it is spelled here.
//! Run: just run evolution

// Natively, where an editor checks it too, and in tests this is an empty crate.
#![cfg_attr(all(target_family = "wasm", not(test)), no_std)]
#![cfg(all(target_family = "wasm", not(test)))]

use core::fmt::{self, Write};
use core::ptr::null_mut;

/// In seconds, as the Gregorian calendar has it on average: close to New Year this may be wrong.
const YEAR: u64 = 31_556_952;

/// Bytes to write: `ciovec` of the preview 0 witx.
#[repr(C)]
struct Ciovec {
    buf: *const u8,
    len: usize,
}

#[link(wasm_import_module = "wasi_unstable")]
unsafe extern "C" {
    fn args_sizes_get(count: *mut usize, bytes: *mut usize) -> u16;
    fn args_get(args: *mut *mut u8, bytes: *mut u8) -> u16;
    fn clock_time_get(clock: u32, precision: u64, time: *mut u64) -> u16;
    fn fd_write(fd: u32, iovs: *const Ciovec, count: usize, written: *mut usize) -> u16;
    fn proc_exit(status: u32) -> !;
}

struct Stdout;

impl Write for Stdout {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text.as_bytes();
        // The host may take a part of the text only, so there is a loop.
        while !rest.is_empty() {
            let iov = Ciovec { buf: rest.as_ptr(), len: rest.len() };
            let mut written = 0;
            // SAFETY: one buffer, which outlives the call.
            succeeded(unsafe { fd_write(1, &iov, 1, &mut written) })?;
            rest = rest.get(written..).filter(|_| written > 0).ok_or(fmt::Error)?;
        }
        Ok(())
    }
}

/// Every function of WASI returns an errno, and 0 is success.
fn succeeded(errno: u16) -> fmt::Result {
    if errno == 0 { Ok(()) } else { Err(fmt::Error) }
}

fn greet() -> fmt::Result {
    let (mut count, mut len, mut nanoseconds) = (0, 0, 0);
    let (mut args, mut bytes) = ([null_mut(); 16], [0; 1024]);
    // SAFETY: the pointers lead to locals.
    succeeded(unsafe { args_sizes_get(&mut count, &mut len) })?;
    if count > args.len() || len > bytes.len() {
        return Err(fmt::Error); // more than there is room for
    }
    // SAFETY: there is room for `count` pointers and the `len` bytes they lead to.
    succeeded(unsafe { args_get(args.as_mut_ptr(), bytes.as_mut_ptr()) })?;
    // SAFETY: the pointer leads to a local, and 0 is the clock of the wall.
    succeeded(unsafe { clock_time_get(0, 0, &mut nanoseconds) })?;

    write!(Stdout, "Hello ")?;
    // The arguments lie one behind the other, a zero behind each; the first is the program.
    for name in bytes[..len].split(|&byte| byte == 0).take(count).skip(1) {
        write!(Stdout, "{} ", str::from_utf8(name).map_err(|_| fmt::Error)?)?;
    }
    writeln!(Stdout, "in {}", 1970 + nanoseconds / 1_000_000_000 / YEAR)
}

#[unsafe(no_mangle)]
extern "C" fn _start() {
    let status = if greet().is_ok() { 3 } else { 1 };
    // SAFETY: it takes a number and does not return.
    unsafe { proc_exit(status) };
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    core::arch::wasm32::unreachable()
}
