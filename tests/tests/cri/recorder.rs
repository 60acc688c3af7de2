//! A containerd that is none: it writes down what arrives, byte for byte, and says that it holds one image.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::SendRequest;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{UnixListener, UnixStream};
use tokio::runtime::Runtime;

/// The digest behind every name.
pub(crate) const DIGEST: &str = "sha256:1111111111111111111111111111111111111111111111111111111111111111";
/// Its name.
pub(crate) const NAME: &str = "registry.example/team/app:v1";

type Seen = Arc<Mutex<Vec<(String, Bytes)>>>;

pub(crate) struct Recorder {
    pub(crate) socket: PathBuf,
    seen: Seen,
    runtime: Runtime,
}

impl Recorder {
    pub(crate) fn start(socket: PathBuf) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let seen = Seen::default();
        let (listener, record) =
            (runtime.block_on(async { UnixListener::bind(&socket) }).unwrap(), Arc::clone(&seen));
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let seen = Arc::clone(&record);
                let service = service_fn(move |request| answer(request, Arc::clone(&seen)));
                let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                tokio::spawn(builder.serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { socket, seen, runtime }
    }

    /// What arrived at this path, whole bodies.
    pub(crate) fn at(&self, path: &str) -> Vec<Bytes> {
        let seen = self.seen.lock().unwrap();
        seen.iter().filter(|(at, _)| at == path).map(|(_, body)| body.clone()).collect()
    }

    /// Runs a client of ours.
    pub(crate) fn run<T>(&self, client: impl Future<Output = T>) -> T {
        self.runtime.block_on(client)
    }
}

async fn answer(request: Request<Incoming>, seen: Seen) -> Result<Response<Reply>, Infallible> {
    let path = request.uri().path().to_owned();
    let body =
        request.into_body().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    seen.lock().unwrap().push((path.clone(), body.clone()));
    let message = match path.as_str() {
        "/runtime.v1.ImageService/ImageStatus" => {
            field(1, &[field(1, b"sha256:id"), field(2, NAME.as_bytes())].concat())
        }
        "/containerd.services.images.v1.Images/Get" => field(1, &field(3, &field(2, DIGEST.as_bytes()))),
        // Everything else gets back what it sent, as an unary echo.
        _ => body.get(5..).unwrap_or_default().to_vec(),
    };
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", "0".parse().unwrap());
    trailers.insert("x-trailer", "kept".parse().unwrap());
    let trailers = async move { Some(Ok(trailers)) };
    let body = Full::new(frame(&message)).with_trailers(trailers).boxed();
    Ok(Response::builder().header("content-type", "application/grpc").body(body).unwrap())
}

type Reply = http_body_util::combinators::BoxBody<Bytes, Infallible>;

/// A field of bytes, text or a message.
pub(crate) fn field(number: u32, value: &[u8]) -> Vec<u8> {
    let mut out = varint(number << 3 | 2);
    out.extend(varint(u32::try_from(value.len()).unwrap()));
    out.extend(value);
    out
}

fn varint(mut value: u32) -> Vec<u8> {
    let mut out = Vec::new();
    while value > 0x7f {
        out.push(u8::try_from(value & 0x7f).unwrap() | 0x80);
        value >>= 7;
    }
    out.push(u8::try_from(value).unwrap());
    out
}

/// A message as gRPC sends it.
pub(crate) fn frame(message: &[u8]) -> Bytes {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[0], length.as_slice(), message].concat().into()
}

/// A raw HTTP/2 client.
pub(crate) async fn client<B>(socket: &Path) -> SendRequest<B>
where
    B: hyper::body::Body + Unpin + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let stream = UnixStream::connect(socket).await.unwrap();
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

pub(crate) fn post<B>(path: &str, body: B) -> Request<B> {
    Request::post(format!("http://localhost{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(body)
        .unwrap()
}

/// Status code, message, and the body.
pub(crate) async fn call(socket: &Path, path: &str, body: Bytes) -> (String, String, Bytes) {
    let response = client(socket).await.send_request(post(path, Full::new(body))).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap();
    let header = |name: &str| {
        let value = parts.headers.get(name).or_else(|| body.trailers()?.get(name));
        value.map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
    };
    (header("grpc-status"), header("grpc-message"), body.to_bytes())
}
