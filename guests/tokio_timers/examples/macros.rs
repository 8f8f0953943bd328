//! Tries the feature `macros` of tokio: `#[tokio::main]`, `join!` and `select!`.
//! Notice whether it prints `runs`, and what happens if not.
//! Run: just run tokio

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let (ru, ns) = tokio::join!(async { "ru" }, async { "ns" });
    tokio::select! {
        _ = std::future::pending::<()>() => unreachable!("it never ends"),
        () = async {} => println!("{ru}{ns}"),
    }
}
