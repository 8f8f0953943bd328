//! Counts the measurements of each key and keeps the highest: an aggregate, with state.
//! Notice that the state comes in and goes out: nothing is kept here, for each call is the first.
//! Run: just run stream

wit_bindgen::generate!({ path: "../../wit/stream" });

use serde_json::{Value, json};

struct Count;

export!(Count);

impl Guest for Count {
    fn process(_: String, value: String, state: Option<String>) -> Result<Outcome, String> {
        let next = count(&value, state.as_deref())?;
        Ok(Outcome { results: vec![next.clone()], state: Some(next) })
    }
}

/// `state` with the measurement `value` counted in.
fn count(value: &str, state: Option<&str>) -> Result<String, String> {
    let parse = |text| serde_json::from_str(text).map_err(|error| error.to_string());
    let value: Value = parse(value)?;
    let celsius = value["celsius"].as_f64().ok_or("the value has no number `celsius`")?;
    let (count, highest) = match state {
        None => (0, celsius),
        Some(state) => {
            let state: Value = parse(state)?;
            let count = state["count"].as_u64().zip(state["highest"].as_f64());
            count.ok_or("the state is not one of this guest's")?
        }
    };
    let count = count.checked_add(1).ok_or("too many measurements")?;
    Ok(json!({ "count": count, "highest": highest.max(celsius) }).to_string())
}

#[cfg(test)]
mod tests {
    use super::count;

    #[test]
    fn the_state_is_what_came_before() {
        let first = count(r#"{"celsius": 20}"#, None).unwrap();
        assert_eq!(first, r#"{"count":1,"highest":20.0}"#);
        let second = count(r#"{"celsius": 19}"#, Some(&first)).unwrap();
        assert_eq!(second, r#"{"count":2,"highest":20.0}"#);
        assert!(count(r#"{"celsius": 19}"#, Some("{}")).is_err());
        assert!(count("{}", Some(&second)).is_err());
    }
}
