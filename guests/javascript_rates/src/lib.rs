//! Converts money by a bank's rates: a component that exports one typed function and imports another.
//! Notice that nothing here is made for JavaScript: a host in Rust could offer `rate` as well.
//! Run: just run javascript

wit_bindgen::generate!({ path: "../../wit/javascript" });

struct Exchange;

export!(Exchange);

/// In euros.
const FEE: f64 = 1.5;

impl Guest for Exchange {
    fn convert(amount: f64, from: String, to: String) -> Result<Receipt, Problem> {
        // `rate` is the host's, and it may be a function of JavaScript.
        let known = |currency: &str| {
            rate(currency).ok_or_else(|| Problem::UnknownCurrency(currency.to_owned()))
        };
        let (buys_from, buys_to) = (known(&from)?, known(&to)?);
        let fee = FEE * buys_from;
        if amount.is_nan() || amount < fee {
            return Err(Problem::TooLittle);
        }
        Ok(Receipt { fee, amount: (amount - fee) / buys_from * buys_to })
    }
}
