//! A guest book: a library whose state lives on between the host's calls.
//! Notice the constructor: it has to run once, before the first call, and somebody has to call it.
//! Run: just run reactor

use std::sync::Mutex;

/// The names so far, or `None` while the book is closed. It lies in the guest's linear memory.
static BOOK: Mutex<Option<Vec<String>>> = Mutex::new(None);

/// The linker collects what stands in `.init_array`: the constructors of this module and of every
/// C or C++ library in it.
#[used]
#[cfg_attr(target_family = "wasm", unsafe(link_section = ".init_array"))]
static CONSTRUCTOR: extern "C" fn() = open;

extern "C" fn open() {
    println!("the book is opened");
    *BOOK.lock().unwrap() = Some(Vec::new());
    // SAFETY: `close` is a function that C can call, and atexit keeps nothing but its address.
    unsafe { atexit(close) };
}

extern "C" fn close() {
    println!("the book is closed");
    *BOOK.lock().unwrap() = None;
}

unsafe extern "C" {
    /// C's list of destructors; wasi-libc is part of every std guest.
    fn atexit(destructor: extern "C" fn()) -> i32;
}

fn welcome(name: &str) -> String {
    let mut book = BOOK.lock().unwrap();
    let Some(names) = book.as_mut() else {
        return format!("Sorry, {name}: the book is closed.");
    };
    if let Some(index) = names.iter().position(|known| known == name) {
        return format!("Welcome back, {name}: you are number {}.", index + 1);
    }
    names.push(name.to_owned());
    format!("Welcome, {name}: you are number {}.", names.len())
}

/// Gives the host `len` bytes of this guest's memory to write into.
#[unsafe(no_mangle)]
pub extern "C" fn buffer_alloc(len: usize) -> *mut u8 {
    Box::leak(vec![0; len].into_boxed_slice()).as_mut_ptr()
}

/// Takes back a buffer that the host has read.
///
/// # Safety
/// `ptr` and `len` name one buffer, from `buffer_alloc` or `sign`, given back once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn buffer_free(ptr: *mut u8, len: usize) {
    // SAFETY: a boxed slice of this length was leaked at this address, says the caller.
    drop(unsafe { Box::from_raw(std::ptr::slice_from_raw_parts_mut(ptr, len)) });
}

/// Enters a name. Takes over the buffer with the name, in UTF-8, and returns one with the answer
/// as `pointer << 32 | length`: a buffer belongs to the side that received it last.
///
/// # Safety
/// As for `buffer_free`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sign(ptr: *mut u8, len: usize) -> u64 {
    // SAFETY: a boxed slice of this length was leaked at this address, says the caller.
    let name = unsafe { Box::from_raw(std::ptr::slice_from_raw_parts_mut(ptr, len)) };
    let answer = welcome(&String::from_utf8_lossy(&name)).into_bytes();
    let answer: &mut [u8] = Box::leak(answer.into_boxed_slice());
    (answer.as_mut_ptr() as u64) << 32 | answer.len() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_book_numbers_its_guests() {
        open();
        assert_eq!(welcome("Ada"), "Welcome, Ada: you are number 1.");
        assert_eq!(welcome("Bob"), "Welcome, Bob: you are number 2.");
        assert_eq!(welcome("Ada"), "Welcome back, Ada: you are number 1.");
    }
}
