//! What the guest does to a value, without the component around it.
//! Notice that it compiles for any machine: a test runs it natively, to compare the speed.
//! Run: just run stream

use serde_json::{Value, json};

/// A measurement with `celsius` as one with `fahrenheit`, to a tenth of a degree.
pub fn fahrenheit(value: &str) -> Result<String, String> {
    let value: Value = serde_json::from_str(value).map_err(|error| error.to_string())?;
    let celsius = value["celsius"].as_f64().ok_or("the value has no number `celsius`")?;
    let fahrenheit = celsius * 1.8 + 32.0;
    if !(-459.67..1e9).contains(&fahrenheit) {
        return Err(format!("{celsius} degrees Celsius is not a temperature"));
    }
    Ok(json!({ "fahrenheit": (fahrenheit * 10.0).round() / 10.0 }).to_string())
}

#[cfg(test)]
mod tests {
    use super::fahrenheit;

    #[test]
    fn what_is_a_temperature_is_converted() {
        assert_eq!(fahrenheit(r#"{"celsius": 21.5}"#).unwrap(), r#"{"fahrenheit":70.7}"#);
        assert_eq!(fahrenheit(r#"{"celsius": -40}"#).unwrap(), r#"{"fahrenheit":-40.0}"#);
    }

    #[test]
    fn what_is_none_is_an_error() {
        for value in ["", "[]", "{}", r#"{"celsius": "21"}"#, r#"{"celsius": -274}"#] {
            assert!(fahrenheit(value).is_err(), "{value}");
        }
    }
}
