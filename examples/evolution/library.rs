//! A library of one function: it has no `main`, so nothing in it can be started.

#[unsafe(no_mangle)]
extern "C" fn greet() {}
