//! Makes the module a reactor: this object file of wasi-libc exports `_initialize`.
//! Notice the one line; guests/reactor_plain is the same crate without it.
//! Run: just run reactor

fn main() {
    // Only this target has the file; a native `cargo test` links without it.
    if std::env::var("CARGO_CFG_TARGET_ENV").as_deref() == Ok("p1") {
        println!("cargo::rustc-link-arg-cdylib=-l:crt1-reactor.o");
    }
}
