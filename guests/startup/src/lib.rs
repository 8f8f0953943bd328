//! Says what it costs to send parcels: JSON in, JSON out, and a price for each postcode in between.
//! Notice the table: it lies in the guest's memory before a line of the guest runs, and each fresh
//! instance has to be given it.
//! Run: just run startup

use serde_json::{Value, json};

wit_bindgen::generate!({ path: "../../wit/startup" });

struct Tariff;

export!(Tariff);

/// What a parcel to one postcode costs.
#[derive(Clone, Copy)]
struct Price {
    cents: u16,
    cents_per_kilogram: u8,
    days: u8,
}

/// A price for each postcode of five digits. The prices are made up, by the compiler.
static PRICES: [Price; 100_000] = {
    let mut prices = [Price { cents: 0, cents_per_kilogram: 0, days: 0 }; 100_000];
    let mut postcode = 0;
    while postcode < prices.len() {
        let zone = postcode / 10_000 * 7 % 10;
        let remote = postcode % 97 == 0;
        prices[postcode] = Price {
            cents: 390 + 40 * zone as u16 + if remote { 250 } else { 0 },
            cents_per_kilogram: 60 + 5 * zone as u8,
            days: 1 + zone as u8 / 4 + remote as u8,
        };
        postcode += 1;
    }
    prices
};

const MOST_GRAMS: u64 = 31_500;

impl Guest for Tariff {
    fn handle(request: String) -> Result<String, String> {
        let request: Value =
            serde_json::from_str(&request).map_err(|e| format!("not JSON: {e}"))?;
        let parcels = request["parcels"].as_array().ok_or("there is no list `parcels`")?;
        let (mut cents, mut days) = (0, 0);
        for (index, parcel) in parcels.iter().enumerate() {
            let (price, most) =
                priced(parcel).map_err(|problem| format!("parcel {}: {problem}", index + 1))?;
            cents += price;
            days = most.max(days);
        }
        Ok(json!({ "parcels": parcels.len(), "cents": cents, "days": days }).to_string())
    }
}

/// The price of one parcel in cents, and the days that it takes.
fn priced(parcel: &Value) -> Result<(u64, u8), &'static str> {
    let digits = |text: &&str| text.len() == 5 && text.bytes().all(|b| b.is_ascii_digit());
    let postcode = parcel["postcode"].as_str().filter(digits);
    let postcode: Option<usize> = postcode.and_then(|digits| digits.parse().ok());
    let price = postcode.and_then(|postcode| PRICES.get(postcode));
    let price = price.ok_or("`postcode` is not five digits in quotes")?;
    let grams = parcel["grams"].as_u64().filter(|grams| *grams <= MOST_GRAMS);
    let grams = grams.ok_or("`grams` is not a number of up to 31500")?;
    let per_kilogram = u64::from(price.cents_per_kilogram) * grams.div_ceil(1000);
    Ok((u64::from(price.cents) + per_kilogram, price.days))
}
