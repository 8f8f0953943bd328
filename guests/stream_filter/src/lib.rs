//! Keeps the measurements of 30 degrees Celsius and more, and drops the others.
//! Notice that dropping is a result like any other: an empty list, and no error.
//! Run: just run stream

wit_bindgen::generate!({ path: "../../wit/stream" });

use serde_json::Value;

struct Filter;

export!(Filter);

impl Guest for Filter {
    fn process(_: String, value: String, _: Option<String>) -> Result<Outcome, String> {
        let results = if is_hot(&value)? { vec![value] } else { vec![] };
        Ok(Outcome { results, state: None })
    }
}

fn is_hot(value: &str) -> Result<bool, String> {
    let value: Value = serde_json::from_str(value).map_err(|error| error.to_string())?;
    let celsius = value["celsius"].as_f64().ok_or("the value has no number `celsius`")?;
    Ok(celsius >= 30.0)
}

#[cfg(test)]
mod tests {
    use super::is_hot;

    #[test]
    fn thirty_degrees_are_hot() {
        assert_eq!(is_hot(r#"{"celsius": 29.9}"#), Ok(false));
        assert_eq!(is_hot(r#"{"celsius": 30}"#), Ok(true));
        assert!(is_hot("{}").is_err());
    }
}
