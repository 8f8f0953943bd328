//! Opens a core dump: a module whose memory is that of the guest when it trapped, and whose custom
//! sections say who called whom.
//! Notice where variables are found. The dump has none; but Rust without optimization keeps them in
//! the guest's memory, and the guest's debug info says at which distance from a stack pointer.
//! Run: just run debug

use std::collections::BTreeMap;

use addr2line::gimli::{
    self, AttributeValue, DebuggingInformationEntry, Dwarf, EndianSlice, LittleEndian, Operation,
    UnitOffset, UnitRef,
};
use rustc_demangle::demangle;
use wasmparser::{
    CoreDumpInstancesSection, CoreDumpStackFrame, DataKind, FunctionBody, KnownCustom, Name,
    Operator, Parser, Payload, TypeRef,
};
use wasmtime::error::Context;
use wasmtime::{Result, ensure};

type Slice<'a> = EndianSlice<'a, LittleEndian>;
type Unit<'a, 'b> = UnitRef<'a, Slice<'b>>;
type Entry<'a> = DebuggingInformationEntry<Slice<'a>>;

/// Whether a file of the source is one of the libraries that come with Rust, by the path written there.
pub fn of_rust(file: &str) -> bool {
    file.starts_with("/rustc/") || file.starts_with("wasisdk://")
}

/// A path as it is seen from here.
pub fn near(file: &str) -> &str {
    let here = std::env::current_dir().ok();
    let here = here.as_ref().and_then(|here| here.to_str());
    here.and_then(|here| file.strip_prefix(here)?.strip_prefix('/')).unwrap_or(file)
}

/// A text of the guest's as it may stand in a line: control characters are spelled out, so that no name
/// commands the terminal.
pub fn harmless(text: &str) -> String {
    let mut harmless = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            letter if letter.is_control() => harmless.extend(letter.escape_default()),
            letter => harmless.push(letter),
        }
    }
    harmless
}

/// Prints the stack of the first thread, and for each function what its variables were.
pub fn print(dump: &[u8], guest: &[u8], all: bool) -> Result<()> {
    let (dump, guest) = (Dump::read(dump)?, Guest::read(guest)?);
    if let (Some(of), Some(name)) = (dump.module, guest.name)
        && !of.starts_with("<anonymous-module-")
    // a guest that was stripped
    {
        ensure!(
            of == name,
            "it is a dump of {}, and the guest is {}: build it in the same way",
            harmless(of),
            harmless(name)
        );
    }
    println!("host: {} functions on the stack, {} pages of memory", dump.stack.len(), dump.pages);
    let debug_info = Dwarf::load(|section| {
        let bytes = guest.debug_info.get(section.name()).copied().unwrap_or_default();
        Ok::<_, gimli::Error>(EndianSlice::new(bytes, LittleEndian))
    })?;
    let debug_info = addr2line::Context::from_dwarf(debug_info)?;

    // From the function that trapped to the first one. Each has made room for its variables by moving
    // the stack pointer down, and where it points now is known.
    let mut pointer = dump.global(guest.stack_pointer);
    let mut left = 0;
    for (number, frame) in dump.stack.iter().enumerate() {
        let function = guest.function(frame.funcidx).context("it is of another guest")?;
        let at = function.range().start + u64::from(frame.codeoffset);
        let entered = Entered::new(function, at, guest.stack_pointer);
        let before =
            pointer.map(|pointer| pointer.wrapping_add_signed(entered.pointer.wrapping_neg()));
        pointer = before.filter(|_| entered.certain);

        let address = at.saturating_sub(guest.code);
        // Several places, if functions were inlined; the last is in the function itself.
        let mut places = debug_info.find_frames(address).skip_all_loads()?;
        let (mut place, mut own) = (None, false);
        while let Some(inlined) = places.next()? {
            let location = inlined.location;
            let file = location.as_ref().and_then(|location| location.file);
            own |= file.is_some_and(|file| !of_rust(file));
            place = file.zip(location.and_then(|location| location.line));
        }
        if !all && !guest.debug_info.is_empty() && !own {
            left += 1;
            continue;
        }
        match guest.names.get(&frame.funcidx) {
            Some(name) => println!("{number:4}: {}", harmless(&format!("{:#}", demangle(name)))),
            None => println!("{number:4}: function {}", frame.funcidx),
        }
        if let Some((file, line)) = place {
            println!("         at {}:{line}", harmless(near(file)));
        }
        if let Some(before) = before
            && let Some(unit) = debug_info.find_dwarf_and_unit(address).skip_all_loads()
        {
            let base = |local| {
                let moved = entered.locals.get(&local)?;
                Some(before.wrapping_add_signed(*moved))
            };
            for variable in variables(&unit, address, base)? {
                let text = dump.value(&unit, variable.ty, variable.address)?;
                println!("         {}", harmless(&format!("{} = {text}", variable.name)));
            }
        }
    }
    if left > 0 {
        println!("      {left} functions of Rust's library are left out: --all-frames shows them");
    }
    Ok(())
}

/// What is read of a core dump.
struct Dump<'a> {
    stack: Vec<CoreDumpStackFrame>,
    pages: u64,
    /// The contents of the memory, where they are not zero.
    data: Vec<(u32, &'a [u8])>,
    globals: Vec<Option<u32>>,
    instances: CoreDumpInstancesSection,
    /// The name of the only module.
    module: Option<&'a str>,
}

impl<'a> Dump<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self> {
        let mut stack = None;
        let (mut pages, mut data, mut globals) = (None, Vec::new(), Vec::new());
        let (mut instances, mut module) =
            (CoreDumpInstancesSection { instances: Vec::new() }, None);
        for payload in Parser::new(0).parse_all(bytes) {
            match payload? {
                Payload::MemorySection(memories) => {
                    for memory in memories {
                        pages.get_or_insert(memory?.initial);
                    }
                }
                Payload::GlobalSection(section) => {
                    for global in section {
                        globals.push(constant(global?.init_expr.get_operators_reader())?);
                    }
                }
                Payload::DataSection(section) => {
                    for segment in section {
                        let segment = segment?;
                        if let DataKind::Active { memory_index: 0, offset_expr } = segment.kind
                            && let Some(at) = constant(offset_expr.get_operators_reader())?
                        {
                            data.push((at, segment.data));
                        }
                    }
                }
                Payload::CustomSection(section) => match section.as_known() {
                    KnownCustom::CoreDumpStack(section) if stack.is_none() => {
                        stack = Some(section.frames);
                    }
                    KnownCustom::CoreDumpInstances(section) => instances = section,
                    KnownCustom::CoreDumpModules(section) => {
                        module = section.modules.first().copied()
                    }
                    _ => {}
                },
                _ => {}
            }
        }
        let stack = stack.context("it has no section `corestack`, so it is not a core dump")?;
        let pages = pages.unwrap_or_default();
        Ok(Self { stack, pages, data, globals, instances, module })
    }

    /// The value of a global of the only instance.
    fn global(&self, index: u32) -> Option<u32> {
        let [instance] = &self.instances.instances[..] else { return None };
        let index = instance.globals.get(index as usize)?;
        *self.globals.get(*index as usize)?
    }

    /// Some bytes of the memory.
    fn bytes(&self, at: u32, length: u32) -> Option<Vec<u8>> {
        let (at, end) = (u64::from(at), u64::from(at) + u64::from(length));
        if end > self.pages << 16 {
            return None;
        }
        let mut bytes = vec![0; length as usize];
        for (start, data) in &self.data {
            let start = u64::from(*start);
            let from = start.max(at);
            let to = end.min(start + data.len() as u64);
            if from < to {
                let range = (from - start) as usize..(to - start) as usize;
                bytes[(from - at) as usize..(to - at) as usize].copy_from_slice(&data[range]);
            }
        }
        Some(bytes)
    }

    /// The value of the type `ty` that stands at an address, as text.
    fn value(&self, unit: &Unit, ty: UnitOffset, at: u32) -> Result<String> {
        let entry = unit.entry(ty)?;
        let name = name(unit, &entry)?.unwrap_or_default();
        let size = number(&entry, gimli::DW_AT_byte_size).unwrap_or(4).clamp(1, MOST_SHOWN);
        let Some(bytes) = self.bytes(at, size) else {
            return Ok(format!("{name}, not in memory"));
        };
        let mut wide = [0; 16];
        let kept = bytes.len().min(16);
        wide[..kept].copy_from_slice(&bytes[..kept]);
        let unsigned = u128::from_le_bytes(wide);
        let text = match (entry.tag(), entry.attr_value(gimli::DW_AT_encoding)) {
            (gimli::DW_TAG_base_type, Some(AttributeValue::Encoding(encoding))) => match encoding {
                gimli::DW_ATE_boolean => (unsigned != 0).to_string(),
                gimli::DW_ATE_signed => {
                    let unused = 128 - 8 * kept as u32;
                    ((unsigned << unused).cast_signed() >> unused).to_string()
                }
                gimli::DW_ATE_UTF => {
                    format!("{:?}", char::from_u32(unsigned as u32).unwrap_or_default())
                }
                gimli::DW_ATE_float if kept == 4 => f32::from_bits(unsigned as u32).to_string(),
                gimli::DW_ATE_float => f64::from_bits(unsigned as u64).to_string(),
                _ => unsigned.to_string(),
            },
            (gimli::DW_TAG_structure_type, _) if name == "&str" && bytes.len() == 8 => {
                let (pointer, length) = (unsigned as u32, (unsigned >> 32) as u32);
                match self.bytes(pointer, length.min(MOST_SHOWN)) {
                    Some(text) => format!("{:?}", String::from_utf8_lossy(&text)),
                    None => format!("{length} bytes at {pointer:#x}, not in memory"),
                }
            }
            (gimli::DW_TAG_pointer_type, _) => format!("{:#x}", unsigned as u32),
            _ => {
                let more = if bytes.len() > 16 { " and more" } else { "" };
                format!("{:02x?}{more}, at {at:#x}", &bytes[..bytes.len().min(16)])
            }
        };
        Ok(if name.is_empty() { text } else { format!("{text} ({name})") })
    }
}

/// How many bytes are shown of a value that is none of the simple ones.
const MOST_SHOWN: u32 = 64;

/// The value of a constant expression, if it is a plain number.
fn constant(mut operators: wasmparser::OperatorsReader) -> Result<Option<u32>> {
    Ok(match operators.read()? {
        Operator::I32Const { value } => Some(value.cast_unsigned()),
        _ => None,
    })
}

/// What is read of a guest.
struct Guest<'a> {
    imported: u32,
    functions: Vec<FunctionBody<'a>>,
    /// Where the code section begins, from which debug info counts.
    code: u64,
    name: Option<&'a str>,
    names: BTreeMap<u32, &'a str>,
    debug_info: BTreeMap<&'a str, &'a [u8]>,
    /// The global that says where the guest's own stack ends in its memory.
    stack_pointer: u32,
}

impl<'a> Guest<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self> {
        let (functions, names, debug_info) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
        let mut guest = Self {
            imported: 0,
            functions,
            code: 0,
            name: None,
            names,
            debug_info,
            stack_pointer: 0,
        };
        for payload in Parser::new(0).parse_all(bytes) {
            match payload? {
                Payload::ImportSection(imports) => {
                    for import in imports.into_imports() {
                        guest.imported += u32::from(matches!(import?.ty, TypeRef::Func(_)));
                    }
                }
                Payload::CodeSectionStart { unchecked_range, .. } => {
                    guest.code = unchecked_range.start
                }
                Payload::CodeSectionEntry(body) => guest.functions.push(body),
                Payload::CustomSection(section) => {
                    if section.name().starts_with(".debug_") {
                        guest.debug_info.insert(section.name(), section.data());
                    }
                    let KnownCustom::Name(sections) = section.as_known() else { continue };
                    for section in sections {
                        match section? {
                            Name::Module { name, .. } => guest.name = Some(name),
                            Name::Function(names) => {
                                for naming in names {
                                    let naming = naming?;
                                    guest.names.insert(naming.index, naming.name);
                                }
                            }
                            Name::Global(names) => {
                                for naming in names {
                                    let naming = naming?;
                                    if naming.name == "__stack_pointer" {
                                        guest.stack_pointer = naming.index;
                                    }
                                }
                            }
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
        ensure!(!guest.functions.is_empty(), "the guest has no functions");
        Ok(guest)
    }

    fn function(&self, index: u32) -> Option<&FunctionBody<'a>> {
        self.functions.get(index.checked_sub(self.imported)? as usize)
    }
}

/// What a function has done with the stack pointer since it was entered: its first instructions take a
/// constant off, keep the result in a local, and write it back if the function calls others.
struct Entered {
    /// By how much the global has moved.
    pointer: i32,
    /// How far from the pointer at entry the values in some locals are.
    locals: BTreeMap<u32, i32>,
    /// Whether nothing was met that leaves this unknown.
    certain: bool,
}

impl Entered {
    /// Follows the instructions of `function` as long as they are of that kind, up to `until`.
    fn new(function: &FunctionBody, until: u64, stack_pointer: u32) -> Self {
        let mut entered = Self { pointer: 0, locals: BTreeMap::new(), certain: true };
        // Numbers, and how far something is from the pointer at entry.
        #[derive(Clone, Copy)]
        enum Value {
            Number(i32),
            Pointer(i32),
        }
        let mut numbers: BTreeMap<u32, i32> = BTreeMap::new();
        let mut stack = Vec::new();
        let Ok(operators) = function.get_operators_reader() else { return entered };
        for operator in operators.into_iter_with_offsets() {
            let Ok((operator, offset)) = operator else { break };
            if offset >= until {
                break;
            }
            match operator {
                Operator::GlobalGet { global_index } if global_index == stack_pointer => {
                    stack.push(Value::Pointer(entered.pointer));
                }
                Operator::I32Const { value } => stack.push(Value::Number(value)),
                Operator::LocalGet { local_index } => {
                    match (numbers.get(&local_index), entered.locals.get(&local_index)) {
                        (Some(number), _) => stack.push(Value::Number(*number)),
                        (_, Some(moved)) => stack.push(Value::Pointer(*moved)),
                        _ => break, // an argument: the variables begin here
                    }
                }
                Operator::LocalSet { local_index } | Operator::LocalTee { local_index } => {
                    let keep = matches!(operator, Operator::LocalTee { .. });
                    match stack.pop() {
                        Some(Value::Number(number)) => {
                            numbers.insert(local_index, number);
                            if keep {
                                stack.push(Value::Number(number));
                            }
                        }
                        Some(Value::Pointer(moved)) => {
                            entered.locals.insert(local_index, moved);
                            if keep {
                                stack.push(Value::Pointer(moved));
                            }
                        }
                        None => break,
                    }
                }
                Operator::I32Sub | Operator::I32Add => match (stack.pop(), stack.pop()) {
                    (Some(Value::Number(number)), Some(Value::Pointer(moved))) => {
                        let minus = matches!(operator, Operator::I32Sub);
                        let number = if minus { number.wrapping_neg() } else { number };
                        stack.push(Value::Pointer(moved.wrapping_add(number)));
                    }
                    _ => break,
                },
                // A value with a large alignment: how much is taken off depends on the pointer.
                Operator::I32And => {
                    entered.certain = false;
                    break;
                }
                Operator::GlobalSet { global_index } if global_index == stack_pointer => {
                    if let Some(Value::Pointer(moved)) = stack.pop() {
                        entered.pointer = moved;
                    }
                    break;
                }
                _ => break,
            }
        }
        entered
    }
}

/// A variable in the guest's memory.
struct Variable {
    name: String,
    ty: UnitOffset,
    address: u32,
}

/// The variables of the function at `pc` that are in scope there. `base` is the value of a local.
fn variables(unit: &Unit, pc: u64, base: impl Fn(u32) -> Option<u32>) -> Result<Vec<Variable>> {
    let mut found = Vec::new();
    let mut function: Option<(isize, u32)> = None; // its depth, and where its variables begin
    let mut hidden: Option<isize> = None; // below a scope of this depth
    let mut entries = unit.entries();
    while let Some(entry) = entries.next_dfs()? {
        let (depth, tag) = (entry.depth(), entry.tag());
        if function.is_some_and(|(above, _)| depth <= above) {
            break;
        }
        if hidden.is_some_and(|above| depth > above) {
            continue;
        }
        hidden = None;
        match (tag, function) {
            (gimli::DW_TAG_subprogram, None) => {
                if !covers(unit, entry, pc)? {
                    hidden = Some(depth);
                } else if let Some(base) = expression(unit, entry, gimli::DW_AT_frame_base)
                    .and_then(|operation| match operation {
                        Operation::WasmLocal { index } => base(index),
                        _ => None,
                    })
                {
                    function = Some((depth, base));
                } else {
                    break;
                }
            }
            (gimli::DW_TAG_lexical_block, Some(_)) if !covers(unit, entry, pc)? => {
                hidden = Some(depth);
            }
            (gimli::DW_TAG_subprogram | gimli::DW_TAG_inlined_subroutine, Some(_)) => {
                hidden = Some(depth);
            }
            (gimli::DW_TAG_formal_parameter | gimli::DW_TAG_variable, Some((_, base))) => {
                if let Some(Operation::FrameOffset { offset }) =
                    expression(unit, entry, gimli::DW_AT_location)
                    && let Some(AttributeValue::UnitRef(ty)) = entry.attr_value(gimli::DW_AT_type)
                    && let Some(name) = name(unit, entry)?
                {
                    let address = base.wrapping_add_signed(offset as i32);
                    found.push(Variable { name, ty, address });
                }
            }
            _ => {}
        }
    }
    Ok(found)
}

fn covers<'a>(unit: &Unit<'_, 'a>, entry: &Entry<'a>, pc: u64) -> Result<bool> {
    let mut ranges = unit.die_ranges(entry)?;
    while let Some(range) = ranges.next()? {
        if range.begin != 0 && (range.begin..range.end).contains(&pc) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The operation of an expression that has only one. What a closure has captured has several.
fn expression<'a>(
    unit: &Unit<'_, 'a>,
    entry: &Entry<'a>,
    name: gimli::DwAt,
) -> Option<Operation<Slice<'a>>> {
    let AttributeValue::Exprloc(expression) = entry.attr_value(name)? else { return None };
    let mut operations = expression.operations(unit.encoding());
    let operation = operations.next().ok()??;
    match operations.next().ok()? {
        None | Some(Operation::StackValue) => Some(operation),
        Some(_) => None,
    }
}

fn name<'a>(unit: &Unit<'_, 'a>, entry: &Entry<'a>) -> Result<Option<String>> {
    let Some(value) = entry.attr_value(gimli::DW_AT_name) else { return Ok(None) };
    Ok(Some(unit.attr_string(value)?.to_string_lossy().into_owned()))
}

fn number(entry: &Entry, name: gimli::DwAt) -> Option<u32> {
    entry.attr_value(name)?.udata_value()?.try_into().ok()
}
