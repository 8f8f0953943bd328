//! The pricing rules of a shop: a component that exports one typed function and imports another.
//! Notice the types of `price`: they were written in WIT, and no pointer is left to be seen.
//! Run: just run component

wit_bindgen::generate!({ path: "../../wit/component" });

struct Pricing;

export!(Pricing);

const GOLD_PERCENT: u8 = 10;
const GIFT_WRAP: u32 = 300;
const EXPRESS: u32 = 900;

impl Guest for Pricing {
    fn price(order: Order) -> Result<Quote, Problem> {
        if order.items.is_empty() {
            return Err(Problem::EmptyOrder);
        }
        let mut subtotal: u32 = 0;
        for Item { sku, quantity } in order.items {
            // `unit_price` is the host's: the guest calls out while the host waits in `price`.
            let price = unit_price(&sku).ok_or(Problem::UnknownSku(sku))?;
            let sum = price.checked_mul(quantity).and_then(|cents| subtotal.checked_add(cents));
            subtotal = sum.expect("no order costs more than 32 bits of cents");
        }
        let discount = match order.coupon.as_deref() {
            Some("SPRING") => Discount::Cents(500),
            Some(other) => return Err(Problem::UnknownCoupon(other.to_owned())),
            None if order.tier == Tier::Gold => Discount::Percent(GOLD_PERCENT),
            None => Discount::None,
        };
        let off = match discount {
            Discount::None => 0,
            Discount::Percent(percent) => subtotal / 100 * u32::from(percent),
            Discount::Cents(cents) => cents.min(subtotal),
        };
        let mut total = subtotal - off;
        if order.extras.contains(Extras::GIFT_WRAP) {
            total += GIFT_WRAP;
        }
        if order.extras.contains(Extras::EXPRESS) {
            total += EXPRESS;
        }
        Ok(Quote { subtotal, discount, total })
    }
}
