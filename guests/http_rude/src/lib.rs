//! A service that does what a host has to survive, each under a path of its own.
//! Notice that nothing here is an attack: all of it happens by mistake as well.
//! Run: just run http

use wasip3::clocks::monotonic_clock;
use wasip3::http::types::{ErrorCode, Fields, Request, Response};
use wasip3::wit_bindgen::spawn_local;
use wasip3::{wit_future, wit_stream};

struct Rude;

wasip3::http::service::export!(Rude);

/// An hour, in nanoseconds.
const LONG: u64 = 3_600_000_000_000;

impl wasip3::exports::http::handler::Guest for Rude {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let path = request.get_path_with_query().unwrap_or_default();
        match path.as_str() {
            "/error" => return Err(ErrorCode::InternalError(Some("\u{1b}[2Jno\nluck".to_owned()))),
            "/look" => {
                let variables: Vec<_> = std::env::vars().collect();
                let files = std::fs::read_dir("/data").map(Iterator::count).ok();
                println!("variables {variables:?}, in /data {files:?}");
            }
            "/loop" => endless(),
            "/memory" => {
                let mut kept = vec![0_u8];
                loop {
                    kept.extend(vec![1; 1 << 20]);
                }
            }
            "/panic" => panic!("this request is too much"),
            "/print" => println!("{}\u{1b}[2J", "as long as it likes ".repeat(10_000)),
            "/sleep" => {
                println!("good night");
                monotonic_clock::wait_for(LONG).await;
            }
            "/headers" => {
                let fields = Fields::new();
                while fields.append("x-more", &[b'a'; 1000]).is_ok() {}
                return Ok(Response::new(fields, None, wit_future::new(|| Ok(None)).1).0);
            }
            _ => {}
        }
        Ok(respond(path))
    }
}

fn endless() {
    loop {
        std::hint::spin_loop();
    }
}

/// A response with a body that is written when this has returned.
fn respond(path: String) -> Response {
    let (mut body, contents) = wit_stream::new();
    let (end, trailers) = wit_future::new(|| Ok(None));
    let (response, _sent) = Response::new(Fields::new(), Some(contents), trailers);
    spawn_local(async move {
        let _ = body.write_all(b"so far so good\n".to_vec()).await;
        match path.as_str() {
            "/break" => panic!("half of it has to do"),
            "/flood" => while body.write_all(vec![b'a'; 64 << 10]).await.is_empty() {},
            "/hang" => monotonic_clock::wait_for(LONG).await,
            _ => {}
        }
        drop(body);
        let _ = end.write(Ok(None)).await;
        if path == "/linger" {
            endless();
        }
    });
    response
}
