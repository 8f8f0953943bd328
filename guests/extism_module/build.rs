//! Makes the module a reactor: an object file of wasi-libc brings `_initialize` with it.
//! Notice that it is taken only where `_initialize` is missing.
//! Run: just run extism

fn main() {
    // Only this target has the file; a native `cargo test` links without it.
    if std::env::var("CARGO_CFG_TARGET_ENV").as_deref() != Ok("p1") {
        return;
    }
    // `_initialize` is wanted, and may be taken from the file between the two `lib` flags. From Rust
    // 1.100 on the compiler is said to link that file by itself (rust-lang/rust#161421, not tried
    // here): then the function is there already, and the linker takes nothing. Named alone, without
    // these flags, the file would be linked a second time: `duplicate symbol: _initialize`.
    for argument in ["--undefined=_initialize", "--start-lib", "-l:crt1-reactor.o", "--end-lib"] {
        println!("cargo::rustc-link-arg-cdylib={argument}");
    }
}
