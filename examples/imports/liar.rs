//! Says that its word is 4 GiB long.

#[link(wasm_import_module = "shop")]
unsafe extern "C" {
    safe fn translate(word: u32, len: u32, buf: u32, room: u32) -> i32;
}

fn main() {
    translate(16, u32::MAX, 0, 0);
}
