//! A program that panics three calls deep, to see what is left of its backtrace.

fn main() {
    read_orders(&[]);
}

#[inline(never)]
fn read_orders(orders: &[u64]) {
    println!("{}", first_order(orders));
}

#[inline(never)]
fn first_order(orders: &[u64]) -> u64 {
    orders[orders.len()]
}
