//! The requests that guests send to other servers: to those of a list, and a number of them at once.
//! They end with the instance that sent them, which may work on for a time after its response.
//! Notice that this host is built without the function of wasmtime-wasi-http that sends them all.
//! Run: just run http

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Request, Response, Uri};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::Sleep;
use wasmtime::component::{Accessor, HasData, Linker, Resource};
use wasmtime_wasi::TrappableError;
use wasmtime_wasi_http::p3::bindings::http::client::{self, HostWithStore};
use wasmtime_wasi_http::p3::bindings::http::types::{
    ErrorCode, Request as Outgoing, Response as Incoming,
};
use wasmtime_wasi_http::{
    Error, RequestOptions, WasiBody, WasiHttp, WasiHttpCtxView, WasiHttpHooks, WasiHttpView,
};

/// Bytes of the head of an answer.
const MOST_HEAD: usize = 16 << 10;

/// How long to wait for a connection, unless the guest wants to wait for less.
const CONNECT: Duration = Duration::from_secs(5);

/// What guests may send, and to whom. Clones share the number.
#[derive(Clone)]
pub struct Outbound {
    /// Hosts, each with a port or with all.
    allowed: Arc<[(String, Option<u16>)]>,
    at_once: Arc<Semaphore>,
    most_body: usize,
}

type Sent = Box<dyn Future<Output = Result<(), Error>> + Send>;

impl Outbound {
    pub fn new(allowed: Vec<(String, Option<u16>)>, at_once: usize, most_body: u64) -> Self {
        let at_once = Arc::new(Semaphore::new(at_once.min(Semaphore::MAX_PERMITS)));
        let most_body = usize::try_from(most_body).unwrap_or(usize::MAX);
        Self { allowed: allowed.into(), at_once, most_body }
    }

    fn allows(&self, to: &Authority) -> bool {
        let port = to.port_u16().unwrap_or(80);
        // A name and password before the host would be another way to write a host that is not it.
        !to.as_str().contains('@')
            && self.allowed.iter().any(|(host, allowed)| {
                host.eq_ignore_ascii_case(to.host())
                    && allowed.is_none_or(|allowed| allowed == port)
            })
    }

    /// Sends a request. What is returned beside the response is the work on its connection.
    async fn send(
        self,
        mut request: Request<WasiBody>,
        options: Option<RequestOptions>,
    ) -> Result<(Response<WasiBody>, Sent), Error> {
        let to = request.uri().authority().ok_or(Error::HttpRequestUriInvalid)?.clone();
        if request.uri().scheme() != Some(&Scheme::HTTP) || !self.allows(&to) {
            return Err(Error::HttpRequestDenied);
        }
        let permit = self.at_once.try_acquire_owned().map_err(|_| Error::ConnectionLimitReached)?;
        let limit = |limit: Option<Duration>| limit.unwrap_or(CONNECT).min(CONNECT);
        let wait = limit(options.and_then(|options| options.connect_timeout));
        let connecting =
            TcpStream::connect((to.host().trim_matches(['[', ']']), to.port_u16().unwrap_or(80)));
        let stream = tokio::time::timeout(wait, connecting).await;
        let stream = stream.map_err(|_| Error::ConnectionTimeout)?.map_err(Error::Connect)?;
        let mut client = http1::Builder::new();
        client.max_buf_size(MOST_HEAD);
        let (mut sender, connection) = client.handshake(TokioIo::new(stream)).await?;
        // To a server goes the path alone. The host is in a field of its own already.
        let path = request.uri().path_and_query().map_or("/", PathAndQuery::as_str);
        let slash = if path.starts_with('/') { "" } else { "/" };
        let path = Uri::try_from(format!("{slash}{path}"));
        *request.uri_mut() = path.map_err(|_| Error::HttpRequestUriInvalid)?;
        let connection: Sent = Box::new(async move {
            let _permit = permit; // until the connection has ended
            connection.await.map_err(Error::from)
        });
        let mut connection = Box::into_pin(connection);
        let answer = async {
            let first = options.and_then(|options| options.first_byte_timeout);
            let answer = sender.send_request(request);
            match first {
                Some(first) => tokio::time::timeout(first, answer)
                    .await
                    .map_err(|_| Error::ConnectionReadTimeout)?
                    .map_err(Error::from),
                None => answer.await.map_err(Error::from),
            }
        };
        let mut answer = std::pin::pin!(answer);
        let mut open = true;
        let response = loop {
            tokio::select! {
                biased;
                response = &mut answer => break response?,
                ended = &mut connection, if open => { ended?; open = false; }
            }
        };
        let most = self.most_body;
        let between = options.and_then(|options| options.between_bytes_timeout);
        let response = response.map(|body| {
            let body = Limited::new(body, most).map_err(|error| match error.downcast() {
                Ok(error) => Error::Hyper(*error),
                Err(_) => Error::HttpResponseBodySize(None),
            });
            match between {
                Some(time) => Paced { body, time, wait: None }.boxed_unsync(),
                None => body.boxed_unsync(),
            }
        });
        let rest: Sent = Box::new(async move { if open { connection.await } else { Ok(()) } });
        Ok((response, rest))
    }
}

/// The body of an answer, each piece of which has to come within a time that the guest has set.
struct Paced<B> {
    body: B,
    time: Duration,
    /// There while the guest waits for a piece. Between two waits, it may take its time.
    wait: Option<Pin<Box<Sleep>>>,
}

impl<B: Body<Data = Bytes, Error = Error> + Unpin> Body for Paced<B> {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if let Poll::Ready(piece) = Pin::new(&mut self.body).poll_frame(cx) {
            self.wait = None;
            return Poll::Ready(piece);
        }
        let time = self.time;
        let wait = self.wait.get_or_insert_with(|| Box::pin(tokio::time::sleep(time)));
        ready!(wait.as_mut().poll(cx));
        Poll::Ready(Some(Err(Error::ConnectionReadTimeout)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl WasiHttpHooks for Outbound {
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Sent,
    ) -> Box<dyn Future<Output = Result<(Response<WasiBody>, Sent), Error>> + Send> {
        Box::new(self.clone().send(request, options))
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        64 << 10 // as much of a body as there is in the host at a time
    }

    fn p3_outgoing_body_chunk_size(&mut self) -> usize {
        64 << 10
    }
}

/// `wasi:http/client` with one change: a request without a path is one for `/`, as WASI 0.3 has it.
/// wasmtime-wasi-http refuses it.
struct Client;

impl HasData for Client {
    type Data<'a> = WasiHttpCtxView<'a>;
}

impl<T: WasiHttpView + 'static> HostWithStore<T> for Client {
    async fn send(
        store: &Accessor<T, Self>,
        request: Resource<Outgoing>,
    ) -> Result<Resource<Incoming>, TrappableError<ErrorCode>> {
        store.with(|mut store| {
            let outgoing = store.get().table.get_mut(&request).map_err(TrappableError::trap)?;
            outgoing.path_with_query.get_or_insert(PathAndQuery::from_static("/"));
            Ok::<_, TrappableError<ErrorCode>>(())
        })?;
        WasiHttp::send(&store.with_getter::<WasiHttp>(T::http), request).await
    }
}

/// Has guests of WASI 0.3 find that client.
pub fn add_to_linker<T: WasiHttpView + 'static>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    client::add_to_linker::<_, Client>(linker, T::http)?;
    linker.allow_shadowing(false);
    Ok(())
}
