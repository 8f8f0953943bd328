//! Nothing: cargo wants a library where a package has benches alone.
