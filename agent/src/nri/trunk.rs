//! The trunk: several connections over one socket, as NRI multiplexes them.
//!
//! Each piece is an id and a length, four bytes each, big-endian, then that many bytes
//! (`pkg/net/multiplex/mux.go` of containerd/nri at 5fe9b064). A piece is part of a stream: a message may come in several.

use std::collections::VecDeque;
use std::io::{self, Read, Write};

/// Id and length.
const HEADER_BYTES: usize = 8;

/// Most bytes of one incoming piece: ttrpc's header and its longest message.
const PIECE_BYTES: usize = 10 + super::frame::MESSAGE_BYTES;

/// Most bytes of one outgoing piece. containerd reads through a buffer of 4,096 bytes, and fails where a piece does not fit.
const SENT_BYTES: usize = 4096;

/// One of the two connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connection {
    /// containerd calls the plugin: id 1.
    Plugin,
    /// The plugin calls containerd: id 2.
    Runtime,
}

impl Connection {
    const fn id(self) -> u32 {
        match self {
            Self::Plugin => 1,
            Self::Runtime => 2,
        }
    }

    const fn of(id: u32) -> Option<Self> {
        match id {
            1 => Some(Self::Plugin),
            2 => Some(Self::Runtime),
            _ => None,
        }
    }
}

/// A socket with its two connections.
#[derive(Debug)]
pub struct Trunk<S> {
    socket: S,
    plugin: VecDeque<u8>,
    runtime: VecDeque<u8>,
}

impl<S: Read + Write> Trunk<S> {
    /// The trunk over a connected socket.
    pub fn new(socket: S) -> Self {
        Self { socket, plugin: VecDeque::new(), runtime: VecDeque::new() }
    }

    /// What has arrived on a connection and was not taken yet.
    pub fn arrived(&mut self, connection: Connection) -> &mut VecDeque<u8> {
        match connection {
            Connection::Plugin => &mut self.plugin,
            Connection::Runtime => &mut self.runtime,
        }
    }

    /// Waits for one piece and files it. Pieces of connections that we do not know are dropped, as containerd drops ours.
    ///
    /// # Errors
    /// `InvalidData` for a piece longer than any message, `UnexpectedEof` at the end.
    pub fn receive(&mut self) -> io::Result<()> {
        let mut header = [0; HEADER_BYTES];
        self.socket.read_exact(&mut header)?;
        let [a, b, c, d, e, f, g, h] = header;
        let length = usize::try_from(u32::from_be_bytes([e, f, g, h])).unwrap_or(usize::MAX);
        let connection = Connection::of(u32::from_be_bytes([a, b, c, d]));
        let held = connection.map_or(0, |connection| self.arrived(connection).len());
        // One message and what is left of the one before: more is no message at all.
        if length > PIECE_BYTES || held > PIECE_BYTES {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a piece longer than any message"));
        }
        let mut piece = vec![0; length];
        self.socket.read_exact(&mut piece)?;
        if let Some(connection) = connection {
            self.arrived(connection).extend(piece);
        }
        Ok(())
    }

    /// Sends bytes on a connection.
    ///
    /// # Errors
    /// The socket's.
    pub fn send(&mut self, connection: Connection, bytes: &[u8]) -> io::Result<()> {
        for piece in bytes.chunks(SENT_BYTES) {
            let length = u32::try_from(piece.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
            let mut sent = Vec::with_capacity(HEADER_BYTES + piece.len());
            sent.extend(connection.id().to_be_bytes());
            sent.extend(length.to_be_bytes());
            sent.extend(piece);
            self.socket.write_all(&sent)?;
        }
        self.socket.flush()
    }
}
