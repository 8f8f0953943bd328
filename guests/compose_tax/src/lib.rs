//! A tax office: it exports the interface that the till imports, and imports nothing of the shop's.
//! Notice that it names neither the till nor the host: whoever composes decides whom it serves.
//! Run: just run compose

wit_bindgen::generate!({ path: "../../wit/compose", world: "office" });

use exports::shop::till::tax::Guest;

struct Office;

export!(Office);

impl Guest for Office {
    fn rate(goods: String) -> Option<u32> {
        match goods.as_str() {
            "book" | "bread" => Some(7),
            "lamp" | "mug" => Some(19),
            _ => None,
        }
    }
}
