//! WASI preview 1 below std: four calls through the bindings of the crate wasip1.
//! Notice the addresses: the guest allocates, the host writes there, and each call is `unsafe`.
//! Run: just run raw

use wasip1 as wasi;

fn main() -> Result<(), wasi::Errno> {
    // SAFETY: the clock takes and returns numbers.
    let clock = unsafe { wasi::clock_time_get(wasi::CLOCKID_REALTIME, 1) }? / 1_000_000_000;
    let mut random = [0; 4];
    // SAFETY: the address and the length are those of the array.
    unsafe { wasi::random_get(random.as_mut_ptr(), random.len()) }?;
    let text = format!("arguments {:?}, clock {clock}, random {random:?}\n", arguments()?);
    print(text.as_bytes())
}

fn arguments() -> Result<Vec<String>, wasi::Errno> {
    // SAFETY: two numbers come back.
    let (count, size) = unsafe { wasi::args_sizes_get() }?;
    let mut starts = vec![std::ptr::null_mut(); count];
    let mut bytes = vec![0; size];
    // SAFETY: both buffers are of the sizes that were just asked for.
    unsafe { wasi::args_get(starts.as_mut_ptr(), bytes.as_mut_ptr()) }?;
    // The texts follow one another, each with a zero byte at its end. The first is the program's name.
    let texts = bytes.split_inclusive(|byte| *byte == 0).skip(1);
    Ok(texts.map(|text| String::from_utf8_lossy(&text[..text.len() - 1]).into_owned()).collect())
}

/// What `println!` comes to. The host may take only a part of the text, so this is a loop.
fn print(mut text: &[u8]) -> Result<(), wasi::Errno> {
    while !text.is_empty() {
        let piece = wasi::Ciovec { buf: text.as_ptr(), buf_len: text.len() };
        // SAFETY: the piece names bytes that are borrowed for as long as the call takes.
        let written = unsafe { wasi::fd_write(wasi::FD_STDOUT, &[piece]) }?;
        text = &text[written..];
    }
    Ok(())
}
