//! A program that imports a function of its host's own, beside preview 1.

#[link(wasm_import_module = "shop")]
unsafe extern "C" {
    safe fn ring();
}

fn main() {
    ring();
}
