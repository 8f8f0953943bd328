//! Reads a number and prints how many primes lie below it, without std.
//! Notice the three imports: an engine that offers these and WebAssembly 1.0 can run it.
//! Run: just run small_engine

// Natively, where an editor checks it too, and in tests this is an empty crate.
#![cfg_attr(all(target_family = "wasm", not(test)), no_std)]
#![cfg(all(target_family = "wasm", not(test)))]

/// A piece of memory to read into or to write: `iovec` and `ciovec` of the preview 1 witx.
#[repr(C)]
struct Iovec {
    buf: *mut u8,
    len: usize,
}

#[link(wasm_import_module = "wasi_snapshot_preview1")]
unsafe extern "C" {
    fn fd_read(fd: u32, iovs: *const Iovec, iovs_len: usize, read: *mut usize) -> u16;
    fn fd_write(fd: u32, iovs: *const Iovec, iovs_len: usize, written: *mut usize) -> u16;
    safe fn proc_exit(status: u32) -> !;
}

#[unsafe(no_mangle)]
extern "C" fn _start() {
    let Some(limit) = limit() else {
        write(2, b"give a number on standard input, such as 100\n");
        proc_exit(2)
    };
    let primes = (2..limit).filter(|&n| is_prime(n)).count();
    let mut digits = [0; 10]; // of a u32
    write(1, decimal(u32::try_from(primes).unwrap_or(u32::MAX), &mut digits));
    write(1, b" primes\n");
}

/// Tries every divisor up to the root: slow on purpose, to have something to measure.
fn is_prime(n: u32) -> bool {
    let mut divisor = 2;
    while divisor * divisor <= n {
        if n.is_multiple_of(divisor) {
            return false;
        }
        divisor += 1;
    }
    true
}

/// The number in the first line of standard input. It has at most nine digits, so that neither it
/// nor the square of a divisor is too large for a `u32`.
fn limit() -> Option<u32> {
    let mut line = [0; 16];
    let mut read = 0;
    let iovec = Iovec { buf: line.as_mut_ptr(), len: line.len() };
    // SAFETY: both pointers lead to locals that outlive the call, and the length is that of `line`.
    if unsafe { fd_read(0, &iovec, 1, &mut read) } != 0 {
        return None;
    }
    let digits = line.get(..read)?.trim_ascii();
    if digits.is_empty() || digits.len() > 9 {
        return None;
    }
    digits.iter().try_fold(0, |number, &digit| {
        digit.is_ascii_digit().then(|| number * 10 + u32::from(digit - b'0'))
    })
}

/// `number` in decimal. `format!` would need an allocator.
fn decimal(mut number: u32, digits: &mut [u8; 10]) -> &[u8] {
    let mut start = digits.len();
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
        start -= 1;
        if number == 0 {
            break;
        }
    }
    &digits[start..]
}

fn write(fd: u32, text: &[u8]) {
    let iovec = Iovec { buf: text.as_ptr().cast_mut(), len: text.len() };
    // SAFETY: `fd_write` only reads the text. The errno that comes back is dropped: a guest that
    // cannot print has no way to say so.
    unsafe { fd_write(fd, &iovec, 1, &mut 0) };
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    core::arch::wasm32::unreachable()
}
