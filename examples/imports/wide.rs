//! Declares an import with the right name and the wrong type: `u64` for `u32`.

#[link(wasm_import_module = "shop")]
unsafe extern "C" {
    safe fn exchange(cents: u64) -> u64;
}

fn main() {
    exchange(1250);
}
