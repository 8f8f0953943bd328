//! Price tags for a shop abroad: a command that calls functions of its host's own beside WASI.
//! Notice what a string costs: an address and a length there, a buffer and its room for the way back.
//! Run: just run imports

use anyhow::{Context, Result};

/// What the host offers. The two sides share a name and a type, and no compiler compares them.
mod shop {
    #[link(wasm_import_module = "shop")]
    unsafe extern "C" {
        /// What `cents` are in the money of the country, in hundredths. Any number will do, so it is
        /// safe to call.
        pub safe fn exchange(cents: u32) -> u32;

        /// Writes the translation into `buf` if there is room, and returns its length in bytes, or
        /// -1 for a word that is not known.
        #[link_name = "translate"]
        unsafe fn raw_translate(word: *const u8, len: usize, buf: *mut u8, room: usize) -> i32;
    }

    /// The translation of `word`, if there is one.
    pub fn translate(word: &str) -> Option<String> {
        let mut buf = vec![0; 8];
        loop {
            // SAFETY: both addresses are those of live buffers of the lengths given, and the host
            // keeps neither of them.
            let len =
                unsafe { raw_translate(word.as_ptr(), word.len(), buf.as_mut_ptr(), buf.len()) };
            let len = usize::try_from(len).ok()?;
            let fits = len <= buf.len();
            buf.resize(len, 0);
            if fits {
                return Some(String::from_utf8(buf).expect("the host writes UTF-8"));
            }
        }
    }
}

fn main() -> Result<()> {
    for item in std::env::args().skip(1) {
        let (word, cents) =
            item.split_once('=').context("write PRODUCT=CENTS, such as mug=1250")?;
        let cents = cents.parse().with_context(|| format!("`{cents}` is not a price in cents"))?;
        let name = shop::translate(word).with_context(|| format!("no translation for {word}"))?;
        let price = shop::exchange(cents);
        println!("{name}: {}.{:02} zł", price / 100, price % 100);
    }
    Ok(())
}
