//! Ranks customers by what they spent: text to read, maps to fill, a list to sort.
//! Notice that nothing below is there for size or speed; those are settings of the build.
//! Run: just run optimize

use std::collections::HashMap;
use std::env;
use std::fmt::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args = env::args().skip(1);
    let (Some(count), None) = (args.next().and_then(|count| count.parse().ok()), args.next())
    else {
        eprintln!("give the number of orders, such as 20000");
        return ExitCode::from(2);
    };
    match spent(&orders(count)) {
        Ok(spent) => print!("{}", render(&spent)),
        Err(line) => {
            eprintln!("cannot read the order `{line}`");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// The text of so many orders, a line each: customer, article, cents. It is the same at each run.
fn orders(count: u32) -> String {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = |below: u64| {
        // xorshift64
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    };
    let mut text = String::new();
    for _ in 0..count {
        let (customer, article, cents) = (random(1000), random(50), random(10_000));
        writeln!(text, "customer-{customer}, article-{article}, {cents}").expect("a String grows");
    }
    text
}

/// What each customer spent on each article, in cents; or the line that is not an order.
fn spent(orders: &str) -> Result<HashMap<&str, HashMap<&str, u64>>, &str> {
    let mut spent: HashMap<_, HashMap<_, _>> = HashMap::new();
    for line in orders.lines() {
        let mut cells = line.split(',').map(str::trim);
        let (Some(customer), Some(article), Some(cents), None) =
            (cells.next(), cells.next(), cells.next(), cells.next())
        else {
            return Err(line);
        };
        let cents: u64 = cents.parse().map_err(|_| line)?;
        *spent.entry(customer).or_default().entry(article).or_default() += cents;
    }
    Ok(spent)
}

/// The three customers who spent most, a line each with the article they spent most on.
fn render(spent: &HashMap<&str, HashMap<&str, u64>>) -> String {
    let mut ranked: Vec<_> = spent
        .iter()
        .map(|(customer, articles)| (articles.values().sum::<u64>(), *customer, articles))
        .collect();
    ranked.sort_by(|(a, first, _), (b, second, _)| b.cmp(a).then(first.cmp(second)));
    let mut text = String::new();
    for (cents, customer, articles) in ranked.into_iter().take(3) {
        // Of articles with the same sum, the first by name: a map has no order of its own.
        let most = articles.iter().max_by(|a, b| a.1.cmp(b.1).then(b.0.cmp(a.0)));
        let article = most.map_or("nothing", |(article, _)| article);
        let line = format!("{customer} spent {:.2}, most on {article}\n", cents as f64 / 100.0);
        text.push_str(&line);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sums_are_ranked_and_ties_go_by_name() {
        let orders = "ann, tea, 100\nbob, tea, 50\nbob, jam, 50\ncy, tea, 700\nann, jam, 0\n";
        let text = render(&spent(orders).unwrap());
        let expected = ["cy spent 7.00, most on tea", "ann spent 1.00, most on tea"];
        assert_eq!(text.lines().take(2).collect::<Vec<_>>(), expected);
        assert_eq!(text.lines().nth(2), Some("bob spent 1.00, most on jam"));
    }

    #[test]
    fn a_line_that_is_not_an_order_is_named() {
        for line in ["ann, tea", "ann, tea, much", "ann, tea, 1, 2", "ann"] {
            assert_eq!(spent(&format!("bob, jam, 1\n{line}\n")), Err(line));
        }
    }
}
