//! Checks ISBNs, the numbers of books: an ordinary library with tests.
//! Notice the test that can only pass in WASI; the others pass on every machine.
//! Run: just run runner

/// Why a text is no ISBN.
#[derive(Debug, PartialEq)]
pub enum Problem {
    /// So many digits; an ISBN has 13.
    Length(usize),
    /// The last digit is wrong; this one would be right.
    Check(u32),
}

/// Checks an ISBN of 13 digits. What is between the digits does not count.
///
/// # Errors
/// If there are more or fewer digits, or the last one does not follow from the others.
pub fn check(isbn: &str) -> Result<(), Problem> {
    let digits: Vec<u32> = isbn.chars().filter_map(|c| c.to_digit(10)).collect();
    let [first @ .., last] = &digits[..] else { return Err(Problem::Length(0)) };
    if first.len() != 12 {
        return Err(Problem::Length(digits.len()));
    }
    let sum: u32 = first.iter().zip([1, 3].into_iter().cycle()).map(|(d, weight)| d * weight).sum();
    let right = (10 - sum % 10) % 10;
    if *last == right { Ok(()) } else { Err(Problem::Check(right)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_digit_is_found() {
        assert_eq!(check("9780306406157"), Ok(()));
        assert_eq!(check("9780306406158"), Err(Problem::Check(7)));
    }

    #[test]
    fn an_isbn_has_13_digits() {
        assert_eq!(check(""), Err(Problem::Length(0)));
        assert_eq!(check("978"), Err(Problem::Length(3)));
    }

    #[test]
    #[cfg(target_os = "wasi")]
    fn this_test_has_no_file_system() {
        assert!(std::fs::read_dir("/").is_err());
    }
}
