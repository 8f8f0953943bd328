//! What a component imports and exports.
//! Notice that the types are complete: what is printed here is what a host has to be written for.
//! Run: just run inspect

use anyhow::{Context, Result};
use wasmparser::{ComponentExternalKind, Parser, Payload};
use wit_component::{DecodedWasm, OutputToString, WitPrinter};
use wit_parser::{
    Function, IndexMap, Resolve, Type, TypeDef, TypeDefKind, WorldId, WorldItem, WorldKey,
};

use crate::report::{Contents, Item, Role};
use crate::{module, words};

/// # Errors
/// If the component is not valid in all its parts.
pub fn contents(binary: &[u8]) -> Result<Contents> {
    let mut proposal = None;
    module::validate(binary, &mut proposal)?;
    let contents = match decode(binary) {
        Ok(DecodedWasm::Component(resolve, world)) => {
            // WIT has no words for modules and components, which can be imported and exported too.
            let in_wit = ["func", "instance", "type"];
            let (more_imports, more_exports) = names(binary, |ty| !in_wit.contains(&ty))?;
            let (mut imports, mut exports) = items(&resolve, world)?;
            imports.extend(more_imports);
            exports.extend(more_exports);
            Contents { is_async: is_async(&resolve), ..summed_up(imports, exports) }
        }
        Ok(DecodedWasm::WitPackage(resolve, package)) => Contents {
            kind: "WIT package: interfaces and worlds, without code",
            exports: vec![Item::new(resolve.packages[package].name.to_string(), "")],
            is_component: true,
            ..Contents::default()
        },
        Err(_) => {
            let (imports, exports) = names(binary, |ty| ty != "type")?;
            summed_up(imports, exports)
        }
    };
    Ok(Contents { proposal, ..contents })
}

/// The imports and exports of a component by name, of those types that are `wanted`.
fn names(binary: &[u8], wanted: impl Fn(&str) -> bool) -> Result<(Vec<Item>, Vec<Item>)> {
    let (mut imports, mut exports) = (Vec::new(), Vec::new());
    let mut depth = 0;
    for payload in Parser::new(0).parse_all(binary) {
        match payload? {
            Payload::Version { .. } => depth += 1,
            Payload::End(_) => depth -= 1,
            Payload::ComponentImportSection(section) if depth == 1 => {
                for import in section {
                    let import = import?;
                    imports.push(Item::new(import.name.name, word(import.ty.kind())));
                }
            }
            Payload::ComponentExportSection(section) if depth == 1 => {
                for export in section {
                    let export = export?;
                    exports.push(Item::new(export.name.name, word(export.kind)));
                }
            }
            _ => {}
        }
    }
    imports.retain(|item| wanted(&item.ty));
    exports.retain(|item| wanted(&item.ty));
    Ok((imports, exports))
}

fn word(kind: ComponentExternalKind) -> &'static str {
    match kind {
        ComponentExternalKind::Module => "core module",
        ComponentExternalKind::Func => "func",
        ComponentExternalKind::Value => "value",
        ComponentExternalKind::Type => "type",
        ComponentExternalKind::Instance => "instance",
        ComponentExternalKind::Component => "component",
    }
}

fn summed_up(imports: Vec<Item>, exports: Vec<Item>) -> Contents {
    let mut contents = Contents { kind: "component", is_component: true, ..Contents::default() };
    for name in imports.iter().chain(&exports).map(|item| &item.name) {
        contents.wasi.extend(words::wasi(name).map(|(_, _, version)| version.to_owned()));
    }
    for import in imports {
        contents.imports.entry(words::of_component(&import.name)).or_default().push(import);
    }
    let exported = |start: &str| exports.iter().any(|item| item.name.starts_with(start));
    contents.role = Some(if exported("wasi:cli/run@") {
        Role::Command
    } else if exported("wasi:http/incoming-handler@") || exported("wasi:http/handler@") {
        Role::HttpHandler
    } else {
        Role::Library
    });
    contents.exports = exports;
    contents
}

/// The WIT of a component, or of the world that a core module carries.
///
/// # Errors
/// If there is none, or what should have it is damaged.
pub fn wit(binary: &[u8], is_component: bool) -> Result<String> {
    module::validate(binary, &mut None)?;
    let (resolve, package) = if is_component {
        let decoded = decode(binary)?;
        let package = decoded.package();
        match decoded {
            DecodedWasm::Component(resolve, _) | DecodedWasm::WitPackage(resolve, _) => {
                (resolve, package)
            }
        }
    } else {
        let world = module::world(binary)?;
        let (resolve, world) =
            world.context("it is a core module, and only components have WIT")?;
        let package = resolve.worlds[world].package;
        (resolve, package.context("its world is of no package")?)
    };
    let others = resolve.packages.iter().map(|(id, _)| id).filter(|id| *id != package);
    let mut printer = WitPrinter::new(OutputToString::default());
    printer.print(&resolve, package, &others.collect::<Vec<_>>())?;
    // Comments come from the file as they are, and a terminal obeys control characters.
    let wit = printer.output.to_string();
    Ok(wit.replace(|c: char| c.is_control() && c != '\n', "\u{fffd}"))
}

fn decode(binary: &[u8]) -> Result<DecodedWasm> {
    wit_component::decode(binary).context("its types cannot be written in WIT")
}

/// What a world imports and exports.
///
/// # Errors
/// If it has types without names that must have one.
pub fn items(resolve: &Resolve, world: WorldId) -> Result<(Vec<Item>, Vec<Item>)> {
    let items = |items: &IndexMap<WorldKey, WorldItem>| -> Result<Vec<Item>> {
        let items = items.iter().map(|(key, item)| item_of(resolve, key, item));
        items.filter_map(Result::transpose).collect()
    };
    let world = &resolve.worlds[world];
    Ok((items(&world.imports)?, items(&world.exports)?))
}

/// Whether there are async functions, streams or futures.
fn is_async(resolve: &Resolve) -> bool {
    let of_types = |definition: &TypeDef| {
        matches!(definition.kind, TypeDefKind::Stream(_) | TypeDefKind::Future(_))
    };
    functions(resolve).any(|function| function.kind.is_async())
        || resolve.types.iter().any(|(_, definition)| of_types(definition))
}

/// An import or export; of interfaces of WASI the name, which says all, of others their functions.
fn item_of(resolve: &Resolve, key: &WorldKey, item: &WorldItem) -> Result<Option<Item>> {
    let name = resolve.name_world_key(key);
    Ok(match item {
        WorldItem::Function(function) => Some(function_of(resolve, function)?),
        WorldItem::Interface { id, .. } => {
            let mut item = Item::new(&name, "");
            if words::wasi(&name).is_none() {
                let functions = resolve.interfaces[*id].functions.values();
                item.functions =
                    functions.map(|it| function_of(resolve, it)).collect::<Result<_>>()?;
            }
            Some(item)
        }
        WorldItem::Type { .. } => None, // named where it is used
    })
}

fn function_of(resolve: &Resolve, function: &Function) -> Result<Item> {
    let ty = |ty: &Type| -> Result<String> {
        let mut printer = WitPrinter::new(OutputToString::default());
        printer.print_type_name(resolve, ty)?;
        Ok(printer.output.to_string())
    };
    let mut params = Vec::new();
    for param in &function.params {
        params.push(format!("{}: {}", param.name, ty(&param.ty)?));
    }
    let result = match &function.result {
        Some(result) => format!(" -> {}", ty(result)?),
        None => String::new(),
    };
    let kind = if function.kind.is_async() { "async func" } else { "func" };
    // Methods are named `[method]account.pay`.
    let name = match function.name.split_once(']') {
        Some(("[constructor", resource)) => format!("constructor of {resource}"),
        Some((_, name)) => name.to_owned(),
        None => function.name.clone(),
    };
    Ok(Item::new(name, format!("{kind}({}){result}", params.join(", "))))
}

/// All functions of the interfaces and worlds.
fn functions(resolve: &Resolve) -> impl Iterator<Item = &Function> {
    let in_interfaces = resolve.interfaces.iter().flat_map(|(_, it)| it.functions.values());
    let worlds = resolve.worlds.iter();
    let items = worlds.flat_map(|(_, it)| it.imports.values().chain(it.exports.values()));
    let in_worlds = items.filter_map(|item| match item {
        WorldItem::Function(function) => Some(function),
        WorldItem::Interface { .. } | WorldItem::Type { .. } => None,
    });
    in_interfaces.chain(in_worlds)
}
