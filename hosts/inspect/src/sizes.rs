//! Where the bytes of a module or component are.
//! Notice that a component is counted through: the sections of the modules in it, not the modules.
//! Run: just run inspect

use std::collections::BTreeMap;

use anyhow::Result;
use wasmparser::{Encoding, Parser, Payload};

use crate::report::{Section, percent};

/// The largest first. What is left are the headers: each section has its number and its length.
pub fn of(binary: &[u8]) -> Result<Vec<Section>> {
    let mut sizes: BTreeMap<String, usize> = BTreeMap::new();
    let mut inside = Vec::new(); // of a module, or of a component
    let mut rest = binary.len();
    for payload in Parser::new(0).parse_all(binary) {
        let payload = payload?;
        match &payload {
            Payload::Version { encoding, .. } => inside.push(*encoding),
            Payload::End(_) => drop(inside.pop()),
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => {} // follow next
            _ => {
                if let Some((_, range)) = payload.as_section() {
                    let bytes = usize::try_from(range.end - range.start)?;
                    rest -= bytes;
                    *sizes.entry(name(&payload, inside.last())).or_default() += bytes;
                }
            }
        }
    }
    sizes.insert("headers".to_owned(), rest);
    let section = |(name, bytes)| Section { name, bytes, percent: percent(bytes, binary.len()) };
    let mut sections: Vec<_> = sizes.into_iter().map(section).collect();
    sections.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.name.cmp(&b.name)));
    Ok(sections)
}

fn name(section: &Payload<'_>, inside: Option<&Encoding>) -> String {
    let name = match section {
        Payload::CustomSection(custom) => match custom.name() {
            "name" => "names, for messages",
            name if name.starts_with(".debug_") => "debug information",
            name => return format!("custom section {name}"),
        },
        Payload::CodeSectionStart { .. } => "code",
        Payload::DataSection(_) => "data",
        Payload::ElementSection(_) => "tables of functions",
        _ if inside == Some(&Encoding::Component) => "component: types, imports, exports, wiring",
        _ => "types, imports, exports and other lists",
    };
    name.to_owned()
}
