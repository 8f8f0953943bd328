//! A program of Fastly's platform that does what its engine has to survive, each under a path.
//! Notice that nothing here is an attack: all of it happens by mistake as well.
//! Run: just run fastly

use fastly::{Backend, Error, Request, Response};

#[fastly::main]
fn main(request: Request) -> Result<Response, Error> {
    match request.get_path() {
        "/loop" => loop {
            std::hint::spin_loop();
        },
        "/memory" => {
            let mut kept = vec![0_u8];
            loop {
                kept.extend(vec![1; 1 << 20]);
            }
        }
        "/panic" => panic!("this request is too much"),
        // A backend that nobody configured, at an address of the program's own choice.
        "/roam" => {
            let to = request.get_header_str("host").unwrap_or_default();
            let backend = Backend::builder("roam", to).finish()?;
            Ok(Request::get(format!("http://{to}/")).send(backend)?)
        }
        "/look" => {
            let variables: Vec<_> = std::env::vars().map(|(name, _)| name).collect();
            let files = [".", "/", "/etc/passwd"].map(|path| std::fs::metadata(path).is_ok());
            let body = format!("variables: {}\nfiles: {files:?}\n", variables.join(" "));
            Ok(Response::from_body(body))
        }
        "/long" => Ok(Response::from_body("so far so good\u{1b}[2J\n".repeat(100_000))),
        "/error" => Err(Error::msg("no luck")),
        _ => Ok(Response::from_body("so far so good\n")),
    }
}
