//! A hostile registry: a plain HTTP/1.1 server on loopback whose every answer is a script.
//!
//! A test gives [`Hostile::start`] a function from a [`Request`] to a [`Reply`]; [`Shelf`] is the honest part that most
//! scripts fall back to. The server writes down what it was asked, so that a test can say what was *not* sent to it. It
//! ends with its value: its socket and every open connection are closed, and its threads are joined.

mod shelf;
mod tls;

use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

pub use shelf::{Api, Shelf, descriptor, manifest};
pub use tls::Authority;

/// Most bytes of a request's head; a client under test that sends more is broken.
const HEAD_BYTES: u64 = 64 * 1024;
/// Most bytes of a request's body: what is signed here is small.
const BODY_BYTES: u64 = 4 * 1024 * 1024;

/// What the server was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: String,
    /// Path and query, as sent.
    pub path: String,
    /// The headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body; empty where there is none.
    pub body: Vec<u8>,
}

impl Request {
    /// The value of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// What the server does with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// An answer as it should be: the length is added, and the connection stays open.
    Answer {
        /// The status.
        status: u16,
        /// The headers.
        headers: Vec<(String, String)>,
        /// The body.
        body: Vec<u8>,
    },
    /// These very bytes, and the end of the connection.
    Raw(Vec<u8>),
    /// These bytes, and then nothing, with the connection open.
    Hang(Vec<u8>),
    /// These bytes, and then blanks without end.
    Endless(Vec<u8>),
    /// An answer as it should be, whose body comes at no more than so many bytes a second.
    Paced {
        /// The media type.
        media_type: String,
        /// The body.
        body: Vec<u8>,
        /// The pace.
        bytes_per_second: usize,
    },
    /// These bytes, and then one blank after the other at this pace.
    Drip(Vec<u8>, Duration),
}

impl Reply {
    /// An answer with one media type.
    #[must_use]
    pub fn ok(media_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self::Answer {
            status: 200,
            headers: vec![("content-type".to_owned(), media_type.to_owned())],
            body: body.into(),
        }
    }

    /// An answer with a status and a plausible body.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self::Answer {
            status,
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            body: br#"{"errors":[{"code":"UNKNOWN","message":"no","detail":null}]}"#.to_vec(),
        }
    }

    /// The same answer with one more header. Scripts that are not whole answers stay as they are.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        if let Self::Answer { headers, .. } = &mut self {
            headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }
}

/// The server.
pub struct Hostile {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

type Script = Box<dyn Fn(&Request) -> Reply + Send + Sync>;

struct Shared {
    script: Script,
    authority: Option<Authority>,
    seen: Mutex<Vec<Request>>,
    streams: Mutex<Vec<TcpStream>>,
    workers: Mutex<Vec<JoinHandle<()>>>,
    stopped: AtomicBool,
}

impl Hostile {
    /// Starts a server without TLS on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// The system has no port.
    pub fn start(script: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> io::Result<Self> {
        Self::begin(Box::new(script), None)
    }

    /// Starts a server with TLS whose certificate an authority has made.
    ///
    /// # Errors
    /// The system has no port.
    pub fn start_tls(
        authority: &Authority,
        script: impl Fn(&Request) -> Reply + Send + Sync + 'static,
    ) -> io::Result<Self> {
        Self::begin(Box::new(script), Some(authority.clone()))
    }

    fn begin(script: Script, authority: Option<Authority>) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            script,
            authority,
            seen: Mutex::default(),
            streams: Mutex::default(),
            workers: Mutex::default(),
            stopped: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&shared);
        let acceptor = thread::spawn(move || accept(&listener, &accepting));
        Ok(Self { address, shared, acceptor: Some(acceptor) })
    }

    /// Host and port, as in a reference.
    #[must_use]
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// A reference to something on this server.
    #[must_use]
    pub fn reference(&self, name: &str) -> String {
        format!("{}/{name}", self.address)
    }

    /// Everything that it was asked so far.
    #[must_use]
    pub fn seen(&self) -> Vec<Request> {
        lock(&self.shared.seen).clone()
    }

    /// The paths that it was asked for so far.
    #[must_use]
    pub fn paths(&self) -> Vec<String> {
        lock(&self.shared.seen).iter().map(|request| request.path.clone()).collect()
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        // Wakes the acceptor, which then sees that it is over.
        drop(TcpStream::connect(self.address));
        if let Some(acceptor) = self.acceptor.take() {
            drop(acceptor.join());
        }
        for stream in lock(&self.shared.streams).drain(..) {
            drop(stream.shutdown(Shutdown::Both));
        }
        let workers: Vec<_> = lock(&self.shared.workers).drain(..).collect();
        for worker in workers {
            drop(worker.join());
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        if shared.stopped.load(Ordering::SeqCst) {
            return;
        }
        let Ok(stream) = stream else { continue };
        if let Ok(other) = stream.try_clone() {
            lock(&shared.streams).push(other);
        }
        let serving = Arc::clone(shared);
        let closing = stream.try_clone();
        let worker = thread::spawn(move || {
            // A client that goes away, or a handshake that it refuses, ends the connection and nothing else.
            drop(match &serving.authority {
                None => serve(stream, &serving),
                Some(authority) => authority.accept(stream).and_then(|stream| serve(stream, &serving)),
            });
            // The list above holds the socket open.
            if let Ok(stream) = closing {
                drop(stream.shutdown(Shutdown::Both));
            }
        });
        lock(&shared.workers).push(worker);
    }
}

fn serve(stream: impl Read + Write, shared: &Shared) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    while let Some(request) = read_request(&mut stream)? {
        lock(&shared.seen).push(request.clone());
        let reply = (shared.script)(&request);
        let socket = stream.get_mut();
        match reply {
            Reply::Answer { status, headers, body } => {
                let mut head = format!("HTTP/1.1 {status} Status\r\ncontent-length: {}\r\n", body.len());
                for (name, value) in headers {
                    head.push_str(&format!("{name}: {value}\r\n"));
                }
                head.push_str("\r\n");
                // In one write: two small ones would wait for each other's acknowledgement.
                socket.write_all(&[head.as_bytes(), &body].concat())?;
                socket.flush()?;
            }
            Reply::Raw(bytes) => {
                socket.write_all(&bytes)?;
                socket.flush()?;
                return Ok(());
            }
            Reply::Hang(bytes) => {
                socket.write_all(&bytes)?;
                socket.flush()?;
                // Until the client or the end of the server closes the connection.
                io::copy(socket, &mut io::sink())?;
                return Ok(());
            }
            Reply::Endless(bytes) => {
                socket.write_all(&bytes)?;
                loop {
                    socket.write_all(&[b' '; 64 * 1024])?;
                }
            }
            Reply::Paced { media_type, body, bytes_per_second } => {
                let length = body.len();
                let head = format!(
                    "HTTP/1.1 200 Status\r\ncontent-length: {length}\r\ncontent-type: {media_type}\r\n\r\n"
                );
                socket.write_all(head.as_bytes())?;
                for part in body.chunks((bytes_per_second / 10).max(1)) {
                    if shared.stopped.load(Ordering::SeqCst) {
                        return Ok(());
                    }
                    socket.write_all(part)?;
                    socket.flush()?;
                    // The pace is what is served, not a way to wait for anything.
                    thread::sleep(Duration::from_millis(100));
                }
            }
            Reply::Drip(bytes, pace) => {
                socket.write_all(&bytes)?;
                while !shared.stopped.load(Ordering::SeqCst) {
                    socket.write_all(b" ")?;
                    socket.flush()?;
                    // The pace is what is served, not a way to wait for anything.
                    thread::sleep(pace);
                }
                return Ok(());
            }
        }
    }
    Ok(())
}

fn read_request(stream: &mut BufReader<impl Read>) -> io::Result<Option<Request>> {
    let mut lines = Vec::new();
    loop {
        let Some(line) = read_line(stream)? else { return Ok(None) };
        if line.is_empty() {
            break;
        }
        lines.push(line);
    }
    let mut lines = lines.into_iter();
    let first = lines.next().unwrap_or_default();
    let mut words = first.split(' ').map(str::to_owned);
    let mut request = Request {
        method: words.next().unwrap_or_default(),
        path: words.next().unwrap_or_default(),
        headers: lines
            .filter_map(|line| {
                let (name, value) = line.split_once(':')?;
                Some((name.to_ascii_lowercase(), value.trim().to_owned()))
            })
            .collect(),
        body: Vec::new(),
    };
    request.body = read_body(stream, &request)?;
    Ok(Some(request))
}

/// A line without its end; `None` at the end of the connection.
fn read_line(stream: &mut BufReader<impl Read>) -> io::Result<Option<String>> {
    let mut line = String::new();
    let read = stream.take(HEAD_BYTES).read_line(&mut line)?;
    Ok((read > 0).then(|| line.trim_end().to_owned()))
}

/// A body by its length, or in chunks (RFC 9112 section 7.1).
fn read_body(stream: &mut BufReader<impl Read>, request: &Request) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    if request.header("transfer-encoding") != Some("chunked") {
        let length = request.header("content-length").and_then(|length| length.parse().ok());
        stream.take(length.unwrap_or(0).min(BODY_BYTES)).read_to_end(&mut body)?;
        return Ok(body);
    }
    loop {
        let line = read_line(stream)?.unwrap_or_default();
        let size = u64::from_str_radix(&line, 16).map_err(io::Error::other)?;
        if size > BODY_BYTES {
            return Err(io::Error::other("a chunk larger than any body"));
        }
        stream.take(size).read_to_end(&mut body)?;
        read_line(stream)?;
        if size == 0 {
            return Ok(body);
        }
    }
}
