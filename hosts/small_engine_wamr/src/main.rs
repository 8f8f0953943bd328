//! Runs a WASI preview 1 command in WAMR, an interpreter in C for the smallest devices.
//! Notice how much the host must see to that Rust does elsewhere: pointers, lengths, lifetimes.
//! Run: just run small_engine

use std::ffi::{CStr, CString, c_char};
use std::path::Path;
use std::process::ExitCode;
use std::ptr;

use anyhow::{Context, Error, Result, ensure};
use clap::Parser;
use wamr_sys::RuntimeInitArgs;

// All of WAMR becomes a part of this program. The crate wamr_sys would have it loaded at run time,
// from the folder that cargo built it in.
#[link(name = "vmlib", kind = "static")]
#[link(name = "m")]
unsafe extern "C" {}

/// Run a WASI preview 1 command that may print and read its input.
#[derive(Parser)]
struct Cli {
    /// The guest, a core module of WebAssembly 1.0, and its arguments
    #[arg(required = true, trailing_var_arg = true, value_names = ["GUEST.wasm", "ARGS"])]
    guest_and_args: Vec<String>,
}

/// All memory that WAMR and its guest have: an array, as on a device.
const POOL: usize = 2 << 20;
/// The part of it for the calls of the guest, and a part that WAMR adds to the memory of the guest: its
/// `fd_write` and others work there, and without it they fail.
const STACK: u32 = 64 << 10;
const HEAP: u32 = 8 << 10;

fn main() -> Result<ExitCode> {
    sigpipe::reset(); // when nobody reads the output any more, end quietly, as `cat` does
    let cli = Cli::parse();
    let (guest, args) = (&cli.guest_and_args[0], &cli.guest_and_args[1..]);

    // 1. Engine: one for the whole process, in static variables of C. It never ends.
    let pool = Vec::leak(vec![0u64; POOL / size_of::<u64>()]);
    // SAFETY: a struct of C for which all zeros are valid: null pointers and lengths of 0.
    let mut config: RuntimeInitArgs = unsafe { std::mem::zeroed() };
    config.mem_alloc_type = wamr_sys::mem_alloc_type_t_Alloc_With_Pool;
    config.mem_alloc_option.pool.heap_buf = pool.as_mut_ptr().cast();
    config.mem_alloc_option.pool.heap_size = u32::try_from(POOL)?;
    // SAFETY: it is called once, before all else, and the pool is never freed.
    ensure!(unsafe { wamr_sys::wasm_runtime_full_init(&mut config) }, "WAMR does not start");

    // 2. Code: a module, from the path given. WAMR goes on to use these bytes, and changes them.
    let wasm = std::fs::read(guest).with_context(|| {
        format!("cannot read {guest}: check the path, or build the guest first")
    })?;
    ensure!(
        wasm.starts_with(b"\0asm\x01\0\0\0"), // anything else might be machine code to WAMR, and it would run it
        "{guest} is not a core module (it is a component, or not WebAssembly): build the guest with --target wasm32v1-none"
    );
    let (size, wasm) = (u32::try_from(wasm.len())?, wasm.leak().as_mut_ptr());
    let mut message: [c_char; 128] = [0; 128];
    let (text, length) = (message.as_mut_ptr(), 128);
    // SAFETY: both buffers are as long as is said, and the bytes of the module are never freed.
    let module = unsafe { wamr_sys::wasm_runtime_load(wasm, size, text, length) };
    if module.is_null() {
        return Err(cause(text)).with_context(|| {
            format!("cannot load {guest}: it is damaged, or needs more than WebAssembly 1.0")
        });
    }

    // 3. Linker: none. WAMR has linked what it knows, preview 1 among it, and only warns of the rest.

    // 4. Store: this guest's state and capabilities. It gets standard input, output and error, clocks
    //    and random bytes, which this host cannot take away. There is no limit to its time.
    let program = Path::new(guest).file_name().unwrap_or_default().to_string_lossy();
    let argv = [program.as_ref()].into_iter().chain(args.iter().map(String::as_str));
    let argv: Vec<CString> = argv.map(CString::new).collect::<Result<_, _>>()?;
    let mut argv: Vec<*mut c_char> = argv.into_iter().map(CString::into_raw).collect();
    let argc = i32::try_from(argv.len())?;
    let none = ptr::null_mut();
    // SAFETY: lists that are not given have the length 0, and the arguments are never freed.
    unsafe {
        let argv = argv.as_mut_ptr();
        wamr_sys::wasm_runtime_set_wasi_args(module, none, 0, none, 0, none, 0, argv, argc);
    }

    // 5. Instantiate and call. A module with a `start` function runs it while it is instantiated.
    // SAFETY: the module was loaded above, and the buffer is as long as is said.
    let instance = unsafe { wamr_sys::wasm_runtime_instantiate(module, STACK, HEAP, text, length) };
    if instance.is_null() {
        return Err(cause(text)).with_context(|| format!("cannot instantiate {guest}"));
    }
    // Any status that a guest ends with is success to this WAMR, and it does not say which one it was.
    // SAFETY: the instance was made above. `_start` takes no arguments.
    if unsafe { wamr_sys::wasm_application_execute_main(instance, 0, ptr::null_mut()) } {
        return Ok(ExitCode::SUCCESS);
    }
    // SAFETY: the instance lives on, and with it the text.
    let error = cause(unsafe { wamr_sys::wasm_runtime_get_exception(instance) });
    eprintln!("Error: {:?}", error.context(format!("{guest} failed while it ran")));
    Ok(ExitCode::from(134)) // as the wasmtime CLI, and as abort()
}

/// An error with the message that WAMR left at `text`.
fn cause(text: *const c_char) -> Error {
    // SAFETY: WAMR ends each of its messages with a zero.
    Error::msg(unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
}
