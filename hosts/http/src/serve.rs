//! From a connection to a component and back: the core of the host.
//! Notice that whatever a client or a guest does ends in a response and a line, within the time given.
//! Run: just run http

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_io_timeout::TimeoutStream;
use wasmtime::{Error, PoolConcurrencyLimitError};
use wasmtime_wasi_http::WasiBody;
use wasmtime_wasi_http::handler::{InstantiationError, ProxyHandler};
use wasmtime_wasi_http::p2::bindings::http::types as p2;
use wasmtime_wasi_http::p3::bindings::http::types as p3;

use crate::sandbox::{Exchange, Fault, Limits, Sandbox};
use crate::{harmless, say};

/// What a client may cost before a guest sees anything of it.
pub struct Door {
    pub connections: usize,
    /// How long the head of a request may take, and how long a connection may be idle.
    pub head_time: Duration,
    pub head_size: usize,
    /// How long requests in flight have when the host is told to end.
    pub grace: Duration,
}

/// The fields of a head, at most.
const MOST_HEADERS: usize = 100;

/// How long to wait for the end of an instance that trapped.
const MOMENT: Duration = Duration::from_secs(1);

/// Of a response that had begun.
const LATE: &str = "cut off, it took too long";

pub struct Server {
    door: Door,
    limits: Limits,
    /// Prefixes of paths, the longest first, each with its component.
    routes: Vec<(String, ProxyHandler<Sandbox>)>,
    in_flight: Arc<Semaphore>,
}

impl Server {
    pub fn new(door: Door, limits: Limits, routes: Vec<(String, Sandbox)>) -> Self {
        let mut routes: Vec<_> = routes
            .into_iter()
            .map(|(prefix, sandbox)| (prefix, ProxyHandler::new(sandbox)))
            .collect();
        routes.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        let in_flight = Arc::new(Semaphore::new(limits.requests as usize));
        Self { door, limits, routes, in_flight }
    }

    /// Serves until `stop`, then answers those who have connected already, and ends. A second `stop`
    /// ends it at once.
    pub async fn serve(self: Arc<Self>, listener: TcpListener, mut stop: mpsc::Receiver<()>) {
        let (stopping, _) = watch::channel(false);
        let connections = Arc::new(Semaphore::new(self.door.connections));
        loop {
            // Where there are enough connections, the next client waits to be accepted.
            let accept = async {
                let permit = connections.clone().acquire_owned().await.ok();
                (listener.accept().await, permit)
            };
            let (accepted, permit) = tokio::select! {
                accepted = accept => accepted,
                _ = stop.recv() => break,
            };
            match accepted {
                Ok((stream, _)) => self.clone().connect(stream, stopping.subscribe(), permit),
                Err(error) => {
                    // Such as too many open files: some will be closed.
                    say(&format!("host: cannot accept a connection: {error}"));
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
        // Nobody who has connected shall be turned away.
        let waiting = listener.into_std().and_then(|listener| {
            while let Ok((stream, _)) = listener.accept() {
                stream.set_nonblocking(true)?;
                self.clone().connect(TcpStream::from_std(stream)?, stopping.subscribe(), None);
            }
            Ok(())
        });
        if let Err(error) = waiting {
            say(&format!("host: cannot look for waiting clients: {error}"));
        }
        stopping.send_replace(true);
        let ended = tokio::time::timeout(self.door.grace, stopping.closed());
        tokio::select! {
            ended = ended => if ended.is_err() {
                say("host: gives up on requests that are still in flight");
            },
            _ = stop.recv() => say("host: ends at once"),
        }
    }

    /// Serves the requests of one connection, one after the other.
    fn connect(
        self: Arc<Self>,
        stream: TcpStream,
        mut stopping: watch::Receiver<bool>,
        permit: Option<OwnedSemaphorePermit>,
    ) {
        tokio::spawn(async move {
            let _permit = permit;
            let _ = stream.set_nodelay(true); // a small piece of a body does not wait for the next
            let cut = Arc::new(Notify::new());
            let (begun, mut begins) = watch::channel(false);
            let service = service_fn(|request| {
                begun.send_replace(true);
                let (server, cut) = (self.clone(), cut.clone());
                async move { Ok::<_, Infallible>(server.handle(request, cut).await) }
            });
            let mut http = http1::Builder::new();
            http.timer(TokioTimer::new()).header_read_timeout(self.door.head_time);
            http.max_buf_size(self.door.head_size).max_headers(MOST_HEADERS);
            // A reply is over for `handle` when hyper has its last piece, which the client may never
            // read. Then no other timer runs, and it would hold the connection for ever.
            let mut stream = TimeoutStream::new(stream);
            stream.set_write_timeout(Some(self.limits.time));
            let stream = TokioIo::new(Box::pin(stream));
            let mut connection = pin!(http.serve_connection(stream, service));
            let mut last = false;
            let ended = loop {
                // A new client may be about to send its first request, which is still answered.
                let stop = async {
                    let _ = stopping.wait_for(|stopping| *stopping).await;
                    let _ = begins.wait_for(|begun| *begun).await;
                };
                tokio::select! {
                    ended = &mut connection => break ended,
                    () = cut.notified() => return, // the client took too long to read a response
                    () = stop, if !last => {
                        last = true;
                        connection.as_mut().graceful_shutdown();
                    }
                }
            };
            // A request without a head that can be read never comes to `handle`.
            if let Err(error) = ended
                && error.is_parse()
            {
                say(&format!("host: refused: {error}"));
            }
        });
    }

    /// Answers a request, whatever happens.
    async fn handle(
        self: Arc<Self>,
        request: Request<Incoming>,
        cut: Arc<Notify>,
    ) -> Response<Reply> {
        let started = Instant::now();
        let exchange = Arc::new(Exchange::default());
        let path = request.uri().path_and_query().map_or("", PathAndQuery::as_str);
        let line = format!("host: {} {}", request.method(), harmless(path));
        let mut reply = Reply {
            body: Full::default().map_err(|never| match never {}).boxed_unsync(),
            left: self.limits.response_body,
            sent: 0,
            length: None,
            whole: request.method() == Method::HEAD, // of which only the head is sent
            exchange: exchange.clone(),
            permit: self.in_flight.clone().try_acquire_owned().ok(),
            timer: None,
            line,
            started,
            deadline: started.checked_add(self.limits.time),
            status: None,
            reason: None,
        };
        let answer = match reply.permit {
            Some(_) => self.answer(request, &exchange, started).await,
            None => Err(refuse(StatusCode::SERVICE_UNAVAILABLE, "too many requests at once")),
        };
        let mut response = match answer {
            Ok(response) => response,
            Err(refusal) => {
                let text = format!("{}\n", refusal.status);
                reply.reason = Some(refusal.reason);
                let body = Full::from(text).map_err(|never| match never {}).boxed_unsync();
                let mut response = Response::new(body);
                *response.status_mut() = refusal.status;
                let kind = HeaderValue::from_static("text/plain");
                response.headers_mut().insert(header::CONTENT_TYPE, kind);
                response
            }
        };
        reply.status = Some(response.status());
        let length = response.headers().get(header::CONTENT_LENGTH);
        reply.length = length.and_then(|length| length.to_str().ok()?.parse().ok());
        // Of these, too, only the head is sent.
        reply.whole |=
            matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        std::mem::swap(&mut reply.body, response.body_mut());
        reply.timer = reply.deadline.map(|deadline| {
            tokio::spawn(async move {
                tokio::time::sleep_until(deadline).await;
                exchange.late.store(true, Ordering::Relaxed);
                cut.notify_one();
            })
        });
        response.map(|_| reply)
    }

    /// Has a component answer, or says why it cannot.
    async fn answer(
        &self,
        request: Request<Incoming>,
        exchange: &Arc<Exchange>,
        started: Instant,
    ) -> Result<Response<WasiBody>, Refusal> {
        let (mut head, body) = request.into_parts();
        if head.method == Method::CONNECT {
            return Err(refuse(StatusCode::METHOD_NOT_ALLOWED, "this is no proxy"));
        }
        let authority = authority(&head).ok_or_else(|| {
            refuse(StatusCode::BAD_REQUEST, "it does not say in one way which host it is for")
        })?;
        let (handler, path) = self
            .route(&head.uri)
            .ok_or_else(|| refuse(StatusCode::NOT_FOUND, "no route leads there"))?;
        let uri = Uri::builder().scheme(Scheme::HTTP).authority(authority).path_and_query(path);
        head.uri =
            uri.build().map_err(|_| refuse(StatusCode::BAD_REQUEST, "its path is not valid"))?;
        let most = self.limits.request_body;
        let too_long = || {
            refuse(StatusCode::PAYLOAD_TOO_LARGE, &format!("its body is longer than {most} bytes"))
        };
        if body.size_hint().lower() > most {
            return Err(too_long());
        }
        let body = Inbound { body, left: most, exchange: exchange.clone() }.boxed_unsync();
        let called = handler.handle(exchange.clone(), Request::from_parts(head, body));
        let called = tokio::time::timeout(self.limits.time, called).await;
        if exchange.over.load(Ordering::Relaxed) {
            return Err(too_long()); // whatever the guest made of that
        }
        let error = match called {
            Ok(Ok(response)) if response.status().is_informational() => {
                return Err(refuse(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "its status is informational (1xx) and cannot be the final one",
                ));
            }
            Ok(Ok(response)) => return Ok(response),
            Ok(Err(error)) if started.elapsed() < self.limits.time => error,
            _ if exchange.waiting.load(Ordering::Relaxed) => {
                return Err(refuse(StatusCode::REQUEST_TIMEOUT, "its body took too long"));
            }
            _ => {
                let reason = format!("it took longer than {:?}", self.limits.time);
                return Err(refuse(StatusCode::GATEWAY_TIMEOUT, &reason));
            }
        };
        Err(failed(&error, exchange).await)
    }

    /// The component for a path, and the path that is left when its prefix is taken away.
    fn route(&self, uri: &Uri) -> Option<(&ProxyHandler<Sandbox>, String)> {
        let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
        self.routes.iter().find_map(|(prefix, handler)| {
            let rest = uri.path().strip_prefix(&**prefix)?;
            let whole = rest.is_empty() || rest.starts_with('/');
            let slash = if rest.is_empty() { "/" } else { "" };
            whole.then(|| (handler, format!("{slash}{rest}{query}")))
        })
    }
}

/// Whom a request is for: what stands in its first line, or else in its one field `host`.
fn authority(head: &http::request::Parts) -> Option<Authority> {
    let mut hosts = head.headers.get_all(header::HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (Some(host), None) => Authority::try_from(host.as_bytes()).ok()?,
        _ => return None,
    };
    Some(head.uri.authority().cloned().unwrap_or(host))
}

/// Why a client gets another answer than the guest's. The client sees the status alone.
struct Refusal {
    status: StatusCode,
    reason: String,
}

fn refuse(status: StatusCode, reason: &str) -> Refusal {
    Refusal { status, reason: reason.to_owned() }
}

/// What to say of a guest that gave no answer.
async fn failed(error: &Error, exchange: &Exchange) -> Refusal {
    let begun = error.downcast_ref::<InstantiationError<Arc<Exchange>>>();
    let full = begun.is_some_and(|begun| begun.error.is::<PoolConcurrencyLimitError>());
    let mut fault = Fault::from(begun.map_or(error, |begun| &*begun.error));
    // Why it trapped is often known to the instance alone, which has ended now or will in a moment. It
    // goes on if the guest returned an error, or no response at all.
    let returned = error.is::<p2::ErrorCode>() || error.is::<p3::ErrorCode>();
    if !returned
        && let Some(mut ended) = exchange.ended.get().cloned()
        && let ended = ended.wait_for(Option::is_some)
        && let Ok(Ok(ended)) = tokio::time::timeout(MOMENT, ended).await
        && let Some(Err(known)) = &*ended
    {
        fault = known.clone();
    }
    match full || fault.out_of_memory {
        true => Refusal { status: StatusCode::SERVICE_UNAVAILABLE, reason: fault.reason },
        false => Refusal { status: StatusCode::INTERNAL_SERVER_ERROR, reason: fault.reason },
    }
}

type Piece = Option<Result<Frame<Bytes>, wasmtime_wasi_http::Error>>;

/// The body of a request, up to a limit.
struct Inbound {
    body: Incoming,
    left: u64,
    exchange: Arc<Exchange>,
}

impl Body for Inbound {
    type Data = Bytes;
    type Error = wasmtime_wasi_http::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Piece> {
        let piece = Pin::new(&mut self.body).poll_frame(cx);
        self.exchange.waiting.store(piece.is_pending(), Ordering::Relaxed);
        let Some(frame) = ready!(piece) else { return Poll::Ready(None) };
        let frame = frame.map_err(wasmtime_wasi_http::Error::Hyper)?;
        let size = frame.data_ref().map_or(0, Bytes::len) as u64;
        match self.left.checked_sub(size) {
            Some(left) => self.left = left,
            None => {
                self.exchange.over.store(true, Ordering::Relaxed);
                return Poll::Ready(Some(Err(wasmtime_wasi_http::Error::HttpRequestBodySize(
                    None,
                ))));
            }
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The body of a response, up to a limit. When it has ended, so has the request: a line is written.
struct Reply {
    body: WasiBody,
    left: u64,
    sent: u64,
    /// What its head says. When so much is sent, hyper does not ask whether there is more.
    length: Option<u64>,
    whole: bool,
    exchange: Arc<Exchange>,
    permit: Option<OwnedSemaphorePermit>,
    timer: Option<JoinHandle<()>>,
    line: String,
    started: Instant,
    deadline: Option<Instant>,
    status: Option<StatusCode>,
    reason: Option<String>,
}

impl Reply {
    fn fails(&mut self, reason: String, error: wasmtime_wasi_http::Error) -> Poll<Piece> {
        // The time of its instance is up with that of the request, and may be noticed first.
        let late = self.deadline.is_some_and(|deadline| Instant::now() >= deadline);
        self.reason = Some(if late { LATE.to_owned() } else { reason });
        Poll::Ready(Some(Err(error))) // hyper closes the connection, so that the client can tell
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = wasmtime_wasi_http::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Piece> {
        match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
            Some(Ok(frame)) => {
                let size = frame.data_ref().map_or(0, Bytes::len) as u64;
                let Some(left) = self.left.checked_sub(size) else {
                    let reason =
                        format!("its response is longer than {} bytes", self.sent + self.left);
                    return self
                        .fails(reason, wasmtime_wasi_http::Error::HttpResponseBodySize(None));
                };
                self.left = left;
                self.sent += size;
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Err(error)) => self.fails(error.to_string(), error),
            None => {
                // The body of an instance that trapped just ends. It is not complete for that.
                let ended = self.exchange.ended.get().and_then(|ended| ended.borrow().clone());
                if let Some(Err(fault)) = ended {
                    return self
                        .fails(fault.reason, wasmtime_wasi_http::Error::HttpResponseIncomplete);
                }
                self.whole = true;
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        if let Some(timer) = self.timer.take() {
            timer.abort();
        }
        let whole = self.whole
            || self.body.is_end_stream()
            || self.body.size_hint().exact() == Some(0)
            || self.length == Some(self.sent);
        let whole = whole && self.status.is_some();
        if !whole {
            self.exchange.gone.notify_one();
        }
        let status =
            self.status.map_or("no answer".to_owned(), |status| status.as_u16().to_string());
        let took = self.started.elapsed().as_millis();
        let mut line = format!("{} {status}, {} bytes, {took} ms", self.line, self.sent);
        match &self.reason {
            Some(reason) => line += &format!(": {}", harmless(reason)),
            None if whole => {}
            None if self.exchange.late.load(Ordering::Relaxed) => line += &format!(": {LATE}"),
            None => line += ": cut off, the client has gone",
        }
        say(&line);
    }
}
