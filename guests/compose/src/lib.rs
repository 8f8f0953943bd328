//! A till: it adds the tax to a price, and another component knows the tax.
//! Notice that `rate` is called like any function; that it lives elsewhere is not to be seen.
//! Run: just run compose

wit_bindgen::generate!({ path: "../../wit/compose", world: "till" });

use shop::till::tax::rate;

struct Till;

export!(Till);

impl Guest for Till {
    fn total(goods: String, cents: u32) -> Result<u32, String> {
        let percent = rate(&goods).ok_or_else(|| format!("nobody knows the tax on {goods}"))?;
        // In 64 bits, where none of this can overflow. Half a cent more before the division rounds.
        let tax = (u64::from(cents) * u64::from(percent) + 50) / 100;
        u32::try_from(u64::from(cents) + tax)
            .map_err(|_| format!("with {percent} % tax it takes more than 32 bits"))
    }
}
