//! What the operator of the program says of plug-ins, in plugins.toml: limits, and what is granted.
//! Notice that a plug-in is known by the name of its file, for it does not choose that itself.
//! Run: just run plugins

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Deserializer, de};
use wasmtime::error::Context;
use wasmtime::{Result, bail, ensure};

/// The values of a table of the program, by their keys.
pub type Table = BTreeMap<String, String>;

/// The whole of plugins.toml.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Manifest {
    /// The tables of the program, by their names.
    pub tables: BTreeMap<String, Table>,
    /// What holds for a plug-in, by the name of its file without `.wasm`.
    plugins: BTreeMap<String, Terms>,
}

/// What a plug-in may take and see. What is not named is as in `Terms::default`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Terms {
    /// How long it may work on a text.
    #[serde(rename = "seconds", deserialize_with = "seconds")]
    pub time: Duration,
    /// The sum of its memories.
    pub memory_mib: usize,
    /// What the host copies for one call: the text that comes back, for example.
    pub output_kib: usize,
    /// How many things it has open at once.
    pub handles: usize,
    /// The tables of the program that it may read.
    pub read: BTreeSet<String>,
    /// How much there may be in its own table. With 0 it has none.
    pub private_kib: usize,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            time: Duration::from_secs(1),
            memory_mib: 64,
            output_kib: 1024,
            handles: 100,
            read: BTreeSet::new(),
            private_kib: 0,
        }
    }
}

fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    Duration::try_from_secs_f64(f64::deserialize(deserializer)?).map_err(de::Error::custom)
}

/// The text of a file, if there is one.
fn text(path: &Path) -> Result<Option<String>> {
    match fs::read_to_string(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        text => text.map(Some).with_context(|| format!("cannot read {}", path.display())),
    }
}

impl Manifest {
    /// Reads the manifest of a folder that is opened. Where there is none, nothing is granted.
    ///
    /// # Errors
    /// If it cannot be read, says what this program does not know, or grants what is not there.
    pub fn read(path: &Path) -> Result<Self> {
        Self::parse(path, &text(path)?.unwrap_or_default())
    }

    /// Reads a manifest that has changed, or nothing if it is gone.
    ///
    /// # Errors
    /// As those of `read`; and if it is empty, for then somebody has just begun to write it.
    pub fn read_again(path: &Path) -> Result<Option<Self>> {
        match text(path)? {
            Some(text) if text.trim().is_empty() => bail!("it is empty"),
            Some(text) => Self::parse(path, &text).map(Some),
            None => Ok(None),
        }
    }

    fn parse(path: &Path, text: &str) -> Result<Self> {
        let file = path.display();
        let manifest: Self =
            toml::from_str(text).with_context(|| format!("{file} is not a valid manifest"))?;
        for (name, terms) in &manifest.plugins {
            for table in &terms.read {
                let there = manifest.tables.contains_key(table);
                ensure!(
                    there,
                    "{file} grants {name} the table `{table}`, and there is none: write [tables.{table}]"
                );
            }
        }
        Ok(manifest)
    }

    /// What holds for the plug-in in the file of this name.
    pub fn terms(&self, name: &str) -> Terms {
        self.plugins.get(name).cloned().unwrap_or_default()
    }
}
