//! Calls two functions of WasmEdge with lies: an address outside of its memory, and its own output
//! in place of a socket.

#[link(wasm_import_module = "wasi_snapshot_preview1")]
unsafe extern "C" {
    safe fn sock_open(family: u32, kind: u32, fd: u32) -> u32;
    safe fn sock_shutdown(fd: u32, how: u32) -> u32;
}

fn main() {
    println!("an address that is none: errno {}", sock_open(1, 2, u32::MAX));
    println!("standard output as a socket: errno {}", sock_shutdown(1, 3));
}
