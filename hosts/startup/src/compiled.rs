//! A folder of compiled components, from which nothing is loaded but what was written there by `write`.
//! Notice what comes before `unsafe`: whose folder it is, and a checksum of every byte.
//! Run: just run startup

use std::fs::{self, DirBuilder, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read, Write};
#[cfg(unix)]
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;
use wasmtime::component::Component;
use wasmtime::error::Context;
use wasmtime::{Engine, Error, Result};

/// A folder that belongs to this program alone. Whoever can write there can have this program run any
/// machine code: the checksums guard against damage and mix-ups, not against somebody who computes one. So
/// no guest may be granted it either.
pub struct Folder(PathBuf);

/// A component, and what became of it in the folder.
pub struct Loaded {
    pub component: Component,
    pub origin: Origin,
}

pub enum Origin {
    /// It was in the folder, and is what was written there.
    Found,
    /// It was compiled. `unusable` says what was wrong with the file that was there, if there was one;
    /// `unkept` why there is none for the next time, if there is none.
    Compiled { unusable: Option<Error>, unkept: Option<Error> },
}

impl Folder {
    /// Makes the folder, unless it is there, for this user alone. Those above it are not looked at: name one
    /// that nobody else can put another in the place of.
    ///
    /// # Errors
    /// If it cannot be made, or others can write to it.
    pub fn open(path: &Path) -> Result<Self> {
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        builder.mode(0o700);
        builder.create(path)?;
        #[cfg(unix)]
        {
            // To take their right away would not be enough: what they put there would stay.
            wasmtime::ensure!(
                ours(&fs::metadata(path)?),
                "others can write there, and may have: name a new folder, or delete this one"
            );
        }
        Ok(Self(path.to_owned()))
    }

    /// The component `wasm`, from the folder if it is there, and compiled otherwise.
    ///
    /// # Errors
    /// If it does not compile. A file that cannot be used, read or written is no error.
    pub fn load(&self, engine: &Engine, wasm: &[u8]) -> Result<Loaded> {
        let name = name(engine, wasm);
        let unusable = match self.read(engine, &name) {
            Ok(Some(component)) => return Ok(Loaded { component, origin: Origin::Found }),
            Ok(None) => None,
            Err(error) => Some(error),
        };
        let component = Component::from_binary(engine, wasm)?;
        let unkept = component.serialize().and_then(|code| self.write(&name, &code)).err();
        Ok(Loaded { component, origin: Origin::Compiled { unusable, unkept } })
    }

    fn read(&self, engine: &Engine, name: &str) -> Result<Option<Component>> {
        // All of it is read first, so that what is checked is what is run, whatever becomes of the file.
        let mut file = match File::open(self.0.join(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file.with_context(|| format!("cannot read {name}"))?,
        };
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).with_context(|| format!("cannot read {name}"))?;
        #[cfg(unix)]
        wasmtime::ensure!(ours(&file.metadata()?), "others can write to {name}");
        let sealed = bytes.split_first_chunk().filter(|(seal, code)| **seal == sum(name, code));
        let (_, code) = sealed.with_context(|| {
            format!("{name} is cut short, damaged, or was written by another program")
        })?;
        // SAFETY: these must be bytes that `serialize` returned, for an engine like this one. They are:
        // `write` puts such a checksum before such bytes, nobody else writes here (see `ours`), and the
        // name, which is part of the sum, says for which guest and which engine they were compiled.
        let component = unsafe { Component::deserialize(engine, code) };
        component.map(Some).with_context(|| format!("{name} does not fit this engine"))
    }

    /// Writes a file that is there as a whole or not at all, however many programs write it at once.
    fn write(&self, name: &str, code: &[u8]) -> Result<()> {
        let mut file = NamedTempFile::new_in(&self.0)?; // which only this user can read, and write
        file.write_all(&sum(name, code))?;
        file.write_all(code)?;
        file.persist(self.0.join(name))?;
        Ok(())
    }
}

/// Whether a folder or file belongs to this user, or to root, who can do all anyway, and nobody else can
/// write to it.
#[cfg(unix)]
fn ours(metadata: &fs::Metadata) -> bool {
    let owners = [rustix::process::geteuid().as_raw(), 0];
    owners.contains(&metadata.uid()) && metadata.mode() & 0o022 == 0
}

/// The name says what was compiled and by what. The engine's part changes with each release of wasmtime,
/// with its settings, and with the features of the processor.
fn name(engine: &Engine, wasm: &[u8]) -> String {
    let mut hasher = DefaultHasher::new(); // no guest has a say in this part, so 64 bits will do
    engine.precompile_compatibility_hash().hash(&mut hasher);
    format!("{:x}-{:016x}.cwasm", Sha256::digest(wasm), hasher.finish())
}

/// The checksum of a file with its name, so that none passes for another under whose name it lies.
fn sum(name: &str, code: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(name).chain_update(code).finalize().into()
}
