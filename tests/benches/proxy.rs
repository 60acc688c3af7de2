//! What the CRI proxy costs: the same calls to the same containerd, with it and without, in turns.
//!
//! Part of `make bench`, on release builds. A budget that is missed ends the run with a failure.

#![expect(clippy::print_stdout, reason = "the printed numbers are what a bench is for")]

use std::convert::Infallible;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use pullward_tests::{Node, Proxy, Pullward, Workspace};
use tokio::net::{UnixListener, UnixStream};

/// Pairs of calls of each kind.
const ROUNDS: usize = 2001;
/// Messages of one stream of events.
const EVENTS: usize = 1000;
const DIGEST: &str = "sha256:1111111111111111111111111111111111111111111111111111111111111111";
const NAME: &str = "registry.example/team/app:v1";

type Answer<T> = Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> ExitCode {
    match measure() {
        Ok(0) => ExitCode::SUCCESS,
        Ok(missed) => {
            println!("bench: {missed} budget(s) missed");
            ExitCode::FAILURE
        }
        Err(error) => {
            println!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Behind the proxy stands a server that answers at once: what is measured is the proxy and the agent, not containerd.
fn measure() -> Answer<usize> {
    let (pullward, workspace) = (Pullward::built()?, Workspace::new()?);
    let upstream = workspace.join("upstream.sock");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.spawn(serve(runtime.block_on(async { UnixListener::bind(&upstream) })?));
    let mut node = Node::new(&pullward, &workspace)?;
    let rule = "schema = 1\n[[rule]]\nname = \"one\"\nmatch = [\"registry.example/**\"]\nmode = \"allow\"\n";
    node.trust(1, &format!("{rule}digests = [\"{DIGEST}\"]\n"))?;
    node.start()?;
    let proxy = Proxy::before(&pullward, &workspace, &mut node, &upstream, "")?;
    let mut missed = 0;
    let mut line = |what: &str, added: f64, most: f64| {
        let verdict = if added <= most { "within" } else { "MISSED: at most" };
        missed += usize::from(added > most);
        println!("{what:<64} {added:>8.1} us  {verdict} {most} us");
    };
    runtime.block_on(async {
        let (mut direct, mut through) = (connect(&upstream).await?, connect(proxy.socket()).await?);
        let pod = field(1, &[field(1, b"pod"), field(3, b"demo")].concat());
        let image = field(2, &[field(1, b"sha256:id"), field(18, NAME.as_bytes())].concat());
        let create = [field(1, b"sandbox"), field(2, &image), field(3, &pod)].concat();
        for (what, path, message, most) in [
            ("unary call that passes, added", "/runtime.v1.RuntimeService/Status", field(1, b"x"), 150.0),
            (
                "CreateContainer with receipt, added",
                "/runtime.v1.RuntimeService/CreateContainer",
                create,
                300.0,
            ),
        ] {
            let body = frame(&message);
            let (mut without, mut with) = (Vec::new(), Vec::new());
            // The first ones make connections and the receipt.
            for round in 0..ROUNDS + 100 {
                let times = (time(&mut direct, path, &body).await?, time(&mut through, path, &body).await?);
                if round >= 100 {
                    without.push(times.0);
                    with.push(times.1);
                }
            }
            line(what, micros(median(with)) - micros(median(without)), most);
        }
        let path = "/runtime.v1.RuntimeService/GetContainerEvents";
        let events = stream(&mut direct, path).await?;
        let proxied = stream(&mut through, path).await?;
        if events != proxied {
            return Err("the stream of events is another one behind the proxy".into());
        }
        println!("{EVENTS} container events, {} bytes: the same", events.len());
        Ok::<(), Box<dyn Error + Send + Sync>>(())
    })?;
    Ok(missed)
}

async fn connect(socket: &Path) -> Answer<SendRequest<Full<Bytes>>> {
    let stream = UnixStream::connect(PathBuf::from(socket)).await?;
    let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

async fn time(sender: &mut SendRequest<Full<Bytes>>, path: &str, body: &Bytes) -> Answer<Duration> {
    let begin = Instant::now();
    let response = sender.send_request(post(path, body.clone())?).await?;
    let refused = response.headers().contains_key("grpc-status");
    let whole = response.into_body().collect().await?;
    let took = begin.elapsed();
    match whole.trailers().and_then(|trailers| trailers.get("grpc-status")) {
        Some(code) if code == "0" && !refused => Ok(took),
        _ => Err(format!("{path} was refused").into()),
    }
}

async fn stream(sender: &mut SendRequest<Full<Bytes>>, path: &str) -> Answer<Bytes> {
    let response = sender.send_request(post(path, frame(b""))?).await?;
    Ok(response.into_body().collect().await?.to_bytes())
}

fn post(path: &str, body: Bytes) -> Answer<Request<Full<Bytes>>> {
    let request = Request::post(format!("http://localhost{path}"));
    Ok(request.header("content-type", "application/grpc").header("te", "trailers").body(Full::new(body))?)
}

async fn serve(listener: UnixListener) {
    while let Ok((stream, _)) = listener.accept().await {
        let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        tokio::spawn(builder.serve_connection(TokioIo::new(stream), service_fn(answer)));
    }
}

async fn answer(request: Request<Incoming>) -> Answer<Response<Reply>> {
    let path = request.uri().path().to_owned();
    let _read = request.into_body().collect().await?;
    let body = match path.as_str() {
        "/runtime.v1.ImageService/ImageStatus" => {
            frame(&field(1, &[field(1, b"sha256:id"), field(2, NAME.as_bytes())].concat()))
        }
        "/containerd.services.images.v1.Images/Get" => {
            frame(&field(1, &field(3, &field(2, DIGEST.as_bytes()))))
        }
        "/runtime.v1.RuntimeService/GetContainerEvents" => {
            let events = (0..EVENTS).flat_map(|number| frame(format!("event {number}").as_bytes()).to_vec());
            events.collect::<Vec<u8>>().into()
        }
        _ => frame(b""),
    };
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", http::HeaderValue::from_static("0"));
    let body = Full::new(body).with_trailers(async move { Some(Ok(trailers)) }).boxed();
    Ok(Response::builder().header("content-type", "application/grpc").body(body)?)
}

type Reply = http_body_util::combinators::BoxBody<Bytes, Infallible>;

fn frame(message: &[u8]) -> Bytes {
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes();
    [&[0], length.as_slice(), message].concat().into()
}

/// A field of fewer than 16384 bytes with a number below 2048.
fn field(number: u16, value: &[u8]) -> Vec<u8> {
    let varint = |value: usize| -> Vec<u8> {
        let [low, high, ..] = value.to_le_bytes();
        if value < 0x80 { vec![low] } else { vec![low | 0x80, (high << 1) | (low >> 7)] }
    };
    [varint(usize::from(number) << 3 | 2), varint(value.len()), value.to_vec()].concat()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
