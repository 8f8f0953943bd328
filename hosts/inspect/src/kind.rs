//! What a file is, by its first bytes.
//! Notice that modules and components share the magic number and differ in the version behind it.
//! Run: just run inspect

use anyhow::{Result, bail};
use object::Endianness;
use object::elf::{EM_AARCH64, EM_RISCV, EM_S390, EM_X86_64, FileHeader64};
use object::read::elf::{FileHeader, SectionHeader};

pub enum Kind<'a> {
    Module,
    Component,
    /// Compiled by wasmtime, which is machine code with a note of what made it.
    Precompiled {
        component: bool,
        version: Option<&'a str>,
        machine: &'static str,
    },
    /// Text format: it begins with a parenthesis or a comment.
    Text(&'a str),
}

/// What wasmtime writes into the header of the ELF files it makes; `Engine::detect_precompiled`
/// compares the same fields.
const WASMTIME: u8 = 200;
const MODULE: u32 = 1 << 0;
const COMPONENT: u32 = 1 << 1;
const PULLEY: u32 = 1 << 2 | 1 << 3;

/// # Errors
/// If it is nothing of WebAssembly; the error says what it may be instead.
pub fn of(bytes: &[u8]) -> Result<Kind<'_>> {
    match bytes {
        [] => bail!("it is empty"),
        [b'\0', b'a', b's', b'm', version @ ..] => match version {
            [1, 0, 0, 0, ..] => Ok(Kind::Module),
            [13, 0, 1, 0, ..] => Ok(Kind::Component),
            [a, b, c, d, ..] => bail!(
                "it begins as such, but with version {:#010x}: a module has 0x00000001, a component 0x0001000d",
                u32::from_le_bytes([*a, *b, *c, *d])
            ),
            _ => bail!("it begins as such, but ends before its version"),
        },
        [0x7f, b'E', b'L', b'F', ..] => precompiled(bytes),
        [0x1f, 0x8b, ..] => bail!("it is compressed: unpack it with gunzip"),
        [b'P', b'K', 3, 4, ..] => bail!("it is a zip archive: unpack it"),
        _ => match std::str::from_utf8(bytes) {
            Ok(text) if text.trim_start().starts_with(['(', ';']) => Ok(Kind::Text(text)),
            Ok(_) => bail!("it is text, but the text format of WebAssembly begins with `(`"),
            Err(_) => {
                let first: Vec<_> =
                    bytes.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
                bail!("it begins with {}, and WebAssembly with 00 61 73 6d", first.join(" "))
            }
        },
    }
}

fn precompiled(bytes: &[u8]) -> Result<Kind<'_>> {
    let header = FileHeader64::<Endianness>::parse(bytes);
    let Some((header, endian)) = header.ok().and_then(|it| Some((it, it.endian().ok()?))) else {
        bail!("it is a native program or library");
    };
    let flags = header.e_flags(endian);
    if header.e_ident.os_abi != WASMTIME || header.e_ident.abi_version != 0 {
        bail!("it is a native program or library, or was made by another engine than wasmtime");
    }
    let component = match flags & (MODULE | COMPONENT) {
        MODULE => false,
        COMPONENT => true,
        _ => bail!("it is of wasmtime, but neither a module nor a component"),
    };
    let machine = match header.e_machine(endian) {
        _ if flags & PULLEY != 0 => "Pulley, wasmtime's bytecode",
        EM_X86_64 => "x86-64",
        EM_AARCH64 => "ARM64",
        EM_RISCV => "RISC-V",
        EM_S390 => "s390x",
        _ => "another machine",
    };
    // A section begins with a zero, the length of the version, and the version.
    let sections = header.sections(endian, bytes).ok();
    let engine = sections.and_then(|it| it.section_by_name(endian, b".wasmtime.engine"));
    let version = match engine.and_then(|(_, section)| section.data(endian, bytes).ok()) {
        Some([0, length, rest @ ..]) => rest.get(..usize::from(*length)),
        _ => None,
    };
    let version = version.and_then(|version| std::str::from_utf8(version).ok());
    Ok(Kind::Precompiled { component, version, machine })
}
