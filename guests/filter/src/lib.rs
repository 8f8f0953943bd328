//! Takes the passwords out of a log, line by line, while the log comes in.
//! Notice that `filter` returns before it has read a byte: a task of its own does the work.
//! Run: just run filter

wit_bindgen::generate!({ path: "../../wit/filter" });

use std::mem;

use wit_bindgen::{FutureReader, StreamReader, StreamResult, StreamWriter};

/// How much is read at once.
const PIECE: usize = 64 * 1024;

/// The longest line. Whoever writes the log must not decide how much memory this takes.
const LONGEST: usize = 64 * 1024;

struct Filter;

export!(Filter);

impl Guest for Filter {
    async fn filter(
        input: StreamReader<u8>,
    ) -> (StreamReader<u8>, FutureReader<Result<(), String>>) {
        let (writer, output) = wit_stream::new();
        let (ending, ended) = wit_future::new(|| Err("the filter gave up".to_owned()));
        wit_bindgen::spawn_local(async move {
            let result = scrub(input, writer).await;
            let _ = ending.write(result).await; // if nobody asks how it ended, that is all right
        });
        (output, ended)
    }
}

/// The output ends when this returns: with `output`, its writing end is dropped.
async fn scrub(mut input: StreamReader<u8>, mut output: StreamWriter<u8>) -> Result<(), String> {
    let mut lines = Lines::default();
    loop {
        let (status, piece) = input.read(Vec::with_capacity(PIECE)).await;
        let ended = status == StreamResult::Dropped;
        let mut clean = Vec::new();
        let result = if ended { lines.end(&mut clean) } else { lines.push(&piece, &mut clean) };
        // What is clean goes out even if the next line is refused.
        if !clean.is_empty() && !output.write_all(clean).await.is_empty() {
            return Ok(()); // nobody reads any more
        }
        if ended || result.is_err() {
            return result;
        }
    }
}

/// Puts lines together from pieces that end anywhere.
#[derive(Default)]
struct Lines {
    number: u64,
    begun: Vec<u8>,
}

impl Lines {
    /// Appends to `clean` the lines that `piece` completes.
    fn push(&mut self, piece: &[u8], clean: &mut Vec<u8>) -> Result<(), String> {
        for part in piece.split_inclusive(|&byte| byte == b'\n') {
            self.begun.extend(part);
            if self.begun.len() > LONGEST {
                return Err(format!("line {} is longer than {LONGEST} bytes", self.number + 1));
            }
            if part.ends_with(b"\n") {
                self.end(clean)?;
            }
        }
        Ok(())
    }

    /// Appends to `clean` the line that has begun, if one has.
    fn end(&mut self, clean: &mut Vec<u8>) -> Result<(), String> {
        if self.begun.is_empty() {
            return Ok(());
        }
        self.number += 1;
        // What cannot be read might be a secret, so it is not passed on.
        let line = String::from_utf8(mem::take(&mut self.begun))
            .map_err(|_| format!("line {} is not text in UTF-8", self.number))?;
        clean.extend(hide(&line).into_bytes());
        Ok(())
    }
}

/// `line` with stars for what follows `password=`, up to the next blank.
fn hide(line: &str) -> String {
    const KEY: &str = "password=";
    let mut parts = line.split(KEY);
    let mut hidden = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(char::is_whitespace).unwrap_or(part.len());
        hidden.extend([KEY, "***", &part[end..]]);
    }
    hidden
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_password_is_hidden() {
        assert_eq!(hide("login ada password=tower ok\n"), "login ada password=*** ok\n");
        assert_eq!(hide("password=a\tpassword=b"), "password=***\tpassword=***");
        assert_eq!(hide("password=a,password=b c"), "password=***password=*** c");
        assert_eq!(hide("no secret\r\n"), "no secret\r\n");
    }

    #[test]
    fn a_piece_may_end_anywhere() {
        let log = "1 password=tower\n\n2 café password=été\n3 the end".as_bytes();
        let whole = "1 password=***\n\n2 café password=***\n3 the end".as_bytes();
        for length in 1..=log.len() {
            let (mut lines, mut clean) = (Lines::default(), Vec::new());
            for piece in log.chunks(length) {
                lines.push(piece, &mut clean).unwrap();
            }
            lines.end(&mut clean).unwrap();
            assert_eq!(clean, whole, "in pieces of {length}");
        }
    }

    #[test]
    fn what_stands_before_a_bad_line_is_kept() {
        let (mut lines, mut clean) = (Lines::default(), Vec::new());
        let refused = lines.push(b"good\n\xff\nnever\n", &mut clean);
        assert_eq!(refused, Err("line 2 is not text in UTF-8".to_owned()));
        assert_eq!(clean, b"good\n");
        let long = Lines::default().push(&[b'x'; LONGEST + 1], &mut clean);
        assert_eq!(long, Err(format!("line 1 is longer than {LONGEST} bytes")));
    }
}
