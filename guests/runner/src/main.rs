//! Checks the ISBN that is its argument, and says inside what.
//! Notice that nothing here is made for a sandbox: natively it is the same program.
//! Run: just run runner

use std::process::ExitCode;

use runner_guest::{Problem, check};

/// The compiler knows which WASI it compiles for; std has no other name for it.
const PLACE: &str = if cfg!(target_env = "p1") {
    "inside WASI preview 1"
} else if cfg!(target_env = "p2") {
    "inside WASI 0.2"
} else {
    "natively"
};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [isbn] = &args[..] else {
        eprintln!("{} arguments: give one ISBN", args.len());
        return ExitCode::from(2);
    };
    match check(isbn) {
        Ok(()) => {
            println!("{isbn} is an ISBN, checked {PLACE}");
            return ExitCode::SUCCESS;
        }
        Err(Problem::Length(digits)) => {
            println!("{isbn} has {digits} digits and needs 13, checked {PLACE}")
        }
        Err(Problem::Check(right)) => {
            println!("{isbn} would have to end in {right}, checked {PLACE}")
        }
    }
    ExitCode::from(3)
}
