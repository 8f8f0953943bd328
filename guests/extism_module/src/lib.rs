//! The same job without Extism, as a core module: a reactor that passes strings by address.
//! Notice how much of it is about memory, and that the host needs the other half of it.
//! Run: just run extism

use std::sync::atomic::{AtomicU32, Ordering};

#[link(wasm_import_module = "chat")]
unsafe extern "C" {
    /// 1 for a word that is to be hidden, else 0.
    fn banned(word: *const u8, len: usize) -> u32;
}

/// The messages so far. A module's memory stays from call to call.
static MESSAGES: AtomicU32 = AtomicU32::new(0);

fn moderated(message: &str) -> String {
    let hide = |word: &str| {
        // SAFETY: the host reads this many bytes at this address before it returns.
        match unsafe { banned(word.as_ptr(), word.len()) } {
            0 => word.to_owned(),
            _ => "*".repeat(word.chars().count()),
        }
    };
    let words: Vec<_> = message.split(' ').map(hide).collect();
    let count = MESSAGES.fetch_add(1, Ordering::Relaxed) + 1;
    format!("{count}: {}", words.join(" "))
}

/// Gives the host `len` bytes of this guest's memory to write into.
#[unsafe(no_mangle)]
pub extern "C" fn buffer_alloc(len: usize) -> *mut u8 {
    Box::leak(vec![0; len].into_boxed_slice()).as_mut_ptr()
}

/// Takes back a buffer that the host has read.
///
/// # Safety
/// `ptr` and `len` name one buffer, from `buffer_alloc` or `moderate`, given back once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn buffer_free(ptr: *mut u8, len: usize) {
    // SAFETY: a boxed slice of this length was leaked at this address, says the caller.
    drop(unsafe { Box::from_raw(std::ptr::slice_from_raw_parts_mut(ptr, len)) });
}

/// Takes over the buffer with the message, in UTF-8, and returns one with the answer as
/// `pointer << 32 | length`.
///
/// # Safety
/// As for `buffer_free`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn moderate(ptr: *mut u8, len: usize) -> u64 {
    // SAFETY: a boxed slice of this length was leaked at this address, says the caller.
    let message = unsafe { Box::from_raw(std::ptr::slice_from_raw_parts_mut(ptr, len)) };
    let answer = moderated(&String::from_utf8_lossy(&message)).into_bytes();
    let answer: &mut [u8] = Box::leak(answer.into_boxed_slice());
    (answer.as_mut_ptr() as u64) << 32 | answer.len() as u64
}
