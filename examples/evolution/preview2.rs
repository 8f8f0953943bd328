//! Imports from `wasi_snapshot_preview2`, a module that never was.

#[link(wasm_import_module = "wasi_snapshot_preview2")]
unsafe extern "C" {
    safe fn sched_yield() -> u16;
}

fn main() {
    sched_yield();
}
