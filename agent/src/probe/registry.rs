//! The registry of a round: two images, on loopback, for as long as the round takes.
//!
//! HTTP/1.1 as far as a pull needs it: one request per connection, GET and HEAD, bounded in every direction.

use std::sync::Arc;
use std::time::Duration;

use pullward_core::oci::Digest;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::answer::Images;

/// First byte of a TLS handshake (RFC 8446 section 5.1). CRI tries TLS first, on loopback too, and plain HTTP where the
/// answer to that is HTTP.
const TLS_HANDSHAKE: u8 = 22;
/// Longest head of a request, in bytes; containerd's has some 300.
const HEAD_BYTES: usize = 8 * 1024;
/// From a connection's arrival to its end.
const PATIENCE: Duration = Duration::from_secs(10);
/// Connections at a time; the next one waits. A pull has three.
const CONNECTIONS: usize = 16;

/// Serves until it is aborted.
pub async fn serve(listener: TcpListener, images: Arc<Images>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            // No descriptors left: those who come next may find some.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let images = Arc::clone(&images);
        tokio::spawn(async move {
            let _place = place;
            // Whoever hangs up early has no use for an answer.
            drop(tokio::time::timeout(PATIENCE, answer(stream, &images)).await);
        });
    }
}

async fn answer(mut stream: TcpStream, images: &Images) -> std::io::Result<()> {
    let mut head = Vec::new();
    let mut buffer = [0; 1024];
    while !head.windows(4).any(|four| four == b"\r\n\r\n") {
        let length = stream.read(&mut buffer).await?;
        head.extend_from_slice(buffer.get(..length).unwrap_or_default());
        if length == 0 || head.len() > HEAD_BYTES {
            return Ok(());
        }
        if head.first() == Some(&TLS_HANDSHAKE) {
            break;
        }
    }
    stream.write_all(&response(&head, images)).await?;
    stream.shutdown().await?;
    // What is closed with bytes unread is reset, and the answer is lost.
    while head.len() <= HEAD_BYTES {
        let length = stream.read(&mut buffer).await?;
        if length == 0 {
            break;
        }
        head.extend_from_slice(buffer.get(..length).unwrap_or_default());
    }
    Ok(())
}

fn response(head: &[u8], images: &Images) -> Vec<u8> {
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let mut words = line.split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    // containerd says whose name it asks for after a question mark.
    let path = target.split('?').next().unwrap_or_default();
    let found = match path {
        "/v2/" => Some(("application/json", &b"{}"[..])),
        _ => images.refused.at(path).or_else(|| images.allowed.at(path)),
    };
    let (status, kind, body) = match (method, found) {
        ("GET" | "HEAD", Some((kind, body))) => ("200 OK", kind, body),
        ("GET" | "HEAD", None) => ("404 Not Found", "text/plain", &b""[..]),
        _ => ("405 Method Not Allowed", "text/plain", &b""[..]),
    };
    let mut answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\
         Docker-Distribution-Api-Version: registry/2.0\r\nDocker-Content-Digest: {}\r\n\r\n",
        body.len(),
        Digest::of(body)
    )
    .into_bytes();
    if method == "GET" {
        answer.extend_from_slice(body);
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::super::answer::Images;
    use super::response;

    fn status(head: &str, images: &Images) -> String {
        let answer = String::from_utf8_lossy(&response(head.as_bytes(), images)).into_owned();
        answer.split(' ').nth(1).unwrap().to_owned()
    }

    #[test]
    fn what_is_asked_for_is_served_and_nothing_else() {
        let images = Images::new("linux/amd64").unwrap();
        let name = images.refused.name("h");
        let tag = name.rsplit(':').next().unwrap();
        let get = format!("GET /v2/pullward-probe/refused/manifests/{tag}?ns=h HTTP/1.1\r\nHost: h\r\n\r\n");
        assert_eq!(status(&get, &images), "200");
        assert!(response(get.as_bytes(), &images).ends_with(&images.refused.manifest));
        let head = get.replace("GET", "HEAD");
        assert!(response(head.as_bytes(), &images).ends_with(b"\r\n\r\n"));
        assert_eq!(status("GET /v2/ HTTP/1.1\r\n\r\n", &images), "200");
        assert_eq!(status("GET /etc/passwd HTTP/1.1\r\n\r\n", &images), "404");
        assert_eq!(status("PUT /v2/ HTTP/1.1\r\n\r\n", &images), "405");
        assert_eq!(status("\r\n\r\n", &images), "405");
        assert_eq!(status("\u{16}\u{3}\u{1}\u{2}", &images), "405");
    }
}
