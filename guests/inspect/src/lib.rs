//! A component that somebody might hand to you: one typed import, one typed export.
//! Notice that its imports of WASI are more than this code asks for: std brings them.
//! Run: just run inspect

use std::time::{SystemTime, UNIX_EPOCH};

wit_bindgen::generate!({ path: "../../wit/inspect" });

struct Weather;

export!(Weather);

impl Guest for Weather {
    fn describe(place: String) -> Result<String, String> {
        let Reading { temperature, taken } =
            reading_at(&place).ok_or_else(|| format!("no station at {place}"))?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|e| e.to_string())?;
        let minutes = now.as_secs().saturating_sub(taken) / 60;
        let (sign, tenths) = (if temperature < 0 { "-" } else { "" }, temperature.unsigned_abs());
        Ok(format!("{place}: {sign}{}.{} °C, {minutes} min ago", tenths / 10, tenths % 10))
    }
}
