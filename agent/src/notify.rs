//! What systemd wants to hear: `sd_notify(3)` over its datagram socket.
//!
//! The socket's address and the watchdog's time come from the environment, by systemd's protocol. They change what
//! systemd is told, and nothing else.

use std::env;
use std::ffi::OsString;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// Talks to systemd, where it listens.
#[derive(Debug, Default)]
pub struct Notifier {
    socket: Option<UnixDatagram>,
}

impl Notifier {
    /// The notifier for this process; silent where systemd does not listen.
    #[must_use]
    pub fn from_env() -> Self {
        let socket = env::var_os("NOTIFY_SOCKET").filter(|address| !address.is_empty());
        let socket = socket.and_then(|address| match connect(&address) {
            Ok(socket) => Some(socket),
            Err(error) => {
                tracing::warn!("systemd will not hear of this: NOTIFY_SOCKET: {error}");
                None
            }
        });
        Self { socket }
    }

    /// The sockets answer.
    pub fn ready(&self, status: &str) {
        self.send(&format!("READY=1\nSTATUS={}", crate::verdict::printable(status, 200)));
    }

    /// One line for `systemctl status`.
    pub fn status(&self, status: &str) {
        self.send(&format!("STATUS={}", crate::verdict::printable(status, 200)));
    }

    /// No new requests any more.
    pub fn stopping(&self) {
        self.send("STOPPING=1\nSTATUS=answering what is under way");
    }

    /// Still alive.
    pub fn alive(&self) {
        self.send("WATCHDOG=1");
    }

    fn send(&self, text: &str) {
        if let Some(socket) = &self.socket
            && let Err(error) = socket.send(text.as_bytes())
        {
            tracing::debug!("sd_notify: {error}");
        }
    }
}

/// How often [`Notifier::alive`] is expected, where it is; half of what the unit's `WatchdogSec` says.
#[must_use]
pub fn watchdog() -> Option<Duration> {
    let ours = env::var("WATCHDOG_PID").map_or(true, |pid| pid == std::process::id().to_string());
    let time: u64 = env::var("WATCHDOG_USEC").ok()?.parse().ok()?;
    (ours && time > 1).then(|| Duration::from_micros(time / 2))
}

fn connect(address: &OsString) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    // systemd that does not read must not stop the agent.
    socket.set_nonblocking(true)?;
    match address.as_bytes().strip_prefix(b"@") {
        Some(name) => socket.connect_addr(&SocketAddr::from_abstract_name(name)?)?,
        None => socket.connect(address)?,
    }
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;

    use super::{Notifier, connect};

    #[test]
    fn systemd_hears_ready_and_stopping_without_control_characters() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let systemd = UnixDatagram::bind(&path).unwrap();
        let notifier = Notifier { socket: Some(connect(&path.into_os_string()).unwrap()) };
        notifier.ready("version 1\nREADY=0");
        notifier.stopping();
        let mut buffer = [0; 256];
        let mut next = || {
            let length = systemd.recv(&mut buffer).unwrap();
            String::from_utf8(buffer[..length].to_vec()).unwrap()
        };
        assert_eq!(next(), "READY=1\nSTATUS=version 1\\u{a}READY=0");
        assert!(next().starts_with("STOPPING=1\n"));
    }

    #[test]
    fn without_systemd_nothing_is_said() {
        Notifier::default().ready("x");
    }
}
