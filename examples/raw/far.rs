//! A program that gives WASI an address outside of its memory.

#[link(wasm_import_module = "wasi_snapshot_preview1")]
unsafe extern "C" {
    safe fn random_get(buffer: u32, length: u32) -> u32;
}

fn main() {
    random_get(u32::MAX, 4);
}
