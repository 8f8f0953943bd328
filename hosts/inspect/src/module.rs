//! What a core module imports and exports.
//! Notice that its types are numbers: whether an `i32` is an address or a count is not told.
//! Run: just run inspect

use anyhow::{Context, Result, ensure};
use wasmparser::types::{EntityType, Types, TypesRef};
use wasmparser::{Parser, Payload, Validator, WasmFeatures};
use wit_component::metadata;
use wit_parser::{Resolve, WorldId};

use crate::report::{Contents, Item, Role};
use crate::{component, words};

/// The proposals to WebAssembly that the hosts of the collection of examples know: wasmtime's, but for
/// garbage collection and threads, which they leave out.
const USUAL: WasmFeatures = WasmFeatures::WASM2
    .union(WasmFeatures::EXTENDED_CONST)
    .union(WasmFeatures::FUNCTION_REFERENCES)
    .union(WasmFeatures::MEMORY64)
    .union(WasmFeatures::MULTI_MEMORY)
    .union(WasmFeatures::RELAXED_SIMD)
    .union(WasmFeatures::TAIL_CALL)
    .union(WasmFeatures::COMPONENT_MODEL)
    .union(WasmFeatures::CM_ASYNC)
    .difference(WasmFeatures::GC_TYPES);

/// Checks a module or component with all proposals that there are, and with the usual ones alone: what
/// it needs beyond those is in `proposal`.
///
/// # Errors
/// If it is not valid with all.
pub fn validate(binary: &[u8], proposal: &mut Option<String>) -> Result<Types> {
    let types = Validator::new_with_features(WasmFeatures::all()).validate_all(binary)?;
    let usual = Validator::new_with_features(USUAL).validate_all(binary);
    *proposal = usual.err().map(|error| error.message().to_owned());
    Ok(types)
}

/// # Errors
/// If the module is not valid in all its parts.
pub fn contents(binary: &[u8]) -> Result<Contents> {
    let mut contents = Contents { kind: "core module", ..Contents::default() };
    let types = validate(binary, &mut contents.proposal)?;
    let types = types.as_ref();

    for (module, name, ty) in types.core_imports().context("it has no imports of a module")? {
        match module {
            "wasi_unstable" => drop(contents.wasi.insert("0.0".to_owned())),
            "wasi_snapshot_preview1" => drop(contents.wasi.insert("0.1".to_owned())),
            _ => {}
        }
        let item = Item::new(format!("{module}::{name}"), text(types, ty));
        contents.imports.entry(words::of_module(module, name)).or_default().push(item);
    }
    let exports = types.core_exports().context("it has no exports of a module")?;
    contents.exports = exports.map(|(name, ty)| Item::new(name, text(types, ty))).collect();
    let exports = |name: &str| {
        contents.exports.iter().any(|export| export.name == name && export.ty == "func()")
    };
    contents.role = Some(match (exports("_start"), exports("_initialize")) {
        (true, _) => Role::Command,
        (false, true) => Role::Reactor,
        (false, false) => Role::Library,
    });

    match world(binary) {
        Ok(None) => {}
        Ok(Some((resolve, world))) => {
            contents.kind = "core module with a world, to be made into a component";
            contents.carries_world = true;
            // Its functions have types there, and numbers in the module.
            let (_, typed) = component::items(&resolve, world)?;
            let numbers = std::mem::replace(&mut contents.exports, typed);
            let typed = |item: &Item| contents.exports.iter().any(|it| it.name == item.name);
            let others: Vec<_> = numbers.into_iter().filter(|item| !typed(item)).collect();
            contents.exports.extend(others);
        }
        Err(_) => contents.kind = "core module with a world, of tools older or newer than these",
    }
    if custom_sections(binary, |name| name == "linking")? > 0 {
        contents.kind = "object file: a part of a core module, for a linker";
        contents.role = None;
    }
    Ok(contents)
}

/// The world that a core module carries, which bindings for WIT leave there, or none.
///
/// # Errors
/// If it cannot be read.
pub fn world(binary: &[u8]) -> Result<Option<(Resolve, WorldId)>> {
    // One of each crate that generated bindings. They are merged, and each may be large.
    let worlds = custom_sections(binary, |name| name.starts_with("component-type"))?;
    ensure!(worlds <= 16, "it carries {worlds} worlds");
    let (carried, world) = metadata::decode(binary)?;
    Ok(carried.map(|_| (world.resolve, world.world)))
}

/// How many custom sections have a name that is `wanted`.
fn custom_sections(binary: &[u8], wanted: impl Fn(&str) -> bool) -> Result<usize> {
    let mut count = 0;
    for payload in Parser::new(0).parse_all(binary) {
        if let Payload::CustomSection(custom) = payload? {
            count += usize::from(wanted(custom.name()));
        }
    }
    Ok(count)
}

/// A type of core WebAssembly, as WIT would write it where it can.
fn text(types: TypesRef<'_>, ty: EntityType) -> String {
    match ty {
        EntityType::Func(id) | EntityType::FuncExact(id) => {
            let function = types[id].unwrap_func();
            let list = |types: &[wasmparser::ValType]| {
                types.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
            };
            let params = list(function.params());
            match function.results() {
                [] => format!("func({params})"),
                [one] => format!("func({params}) -> {one}"),
                more => format!("func({params}) -> ({})", list(more)),
            }
        }
        EntityType::Memory(memory) => {
            let shared = if memory.shared { "shared " } else { "" };
            format!("{shared}memory of {} or more pages", memory.initial)
        }
        EntityType::Global(global) => {
            let kind = if global.mutable { "variable" } else { "constant" };
            format!("{kind} {}", global.content_type)
        }
        EntityType::Table(table) => format!("table of {}", table.element_type),
        EntityType::Tag(_) => "tag of exceptions".to_owned(),
    }
}
