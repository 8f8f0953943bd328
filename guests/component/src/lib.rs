//! The pricing rules of a shop: a component that exports one typed function and imports another.
//! Notice the types of `price`: they were written in WIT, and no pointer is left to be seen.
//! Run: just run component

wit_bindgen::generate!({ path: "../../wit/component" });

struct Pricing;

export!(Pricing);

const GOLD_PERCENT: u8 = 10;
const GIFT_WRAP: u64 = 300;
const EXPRESS: u64 = 900;

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
            subtotal = sum.ok_or(Problem::TooLarge)?;
        }
        let discount = match order.coupon.as_deref() {
            Some("SPRING") => Discount::Cents(500),
            Some(other) => return Err(Problem::UnknownCoupon(other.to_owned())),
            None if order.tier == Tier::Gold => Discount::Percent(GOLD_PERCENT),
            None => Discount::None,
        };
        // In 64 bits, where none of this can overflow.
        let off = match discount {
            Discount::None => 0,
            Discount::Percent(percent) => u64::from(subtotal) * u64::from(percent) / 100,
            Discount::Cents(cents) => u64::from(cents.min(subtotal)),
        };
        let mut total = u64::from(subtotal) - off;
        if order.extras.contains(Extras::GIFT_WRAP) {
            total += GIFT_WRAP;
        }
        if order.extras.contains(Extras::EXPRESS) {
            total += EXPRESS;
        }
        let total = u32::try_from(total).map_err(|_| Problem::TooLarge)?;
        Ok(Quote { subtotal, discount, total })
    }
}
