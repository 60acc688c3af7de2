//! The command line that containerd gives an image verifier.
//!
//! `-name REF -digest DIGEST -stdin-media-type TYPE`, single dashes (T-79): containerd's
//! `pkg/imageverifier/bindir`. In front of them may stand what the kernel makes of our one-line `#!` file:
//! `--socket=PATH` and the path of that file. Nothing else is accepted, and nothing twice.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::hook::DEFAULT_SOCKET;

/// A complete command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arguments {
    /// The agent's socket.
    pub socket: PathBuf,
    /// `-name`: the image's name, as containerd resolved it.
    pub name: String,
    /// `-digest`: as given.
    pub digest: String,
    /// `-stdin-media-type`: as given.
    pub stdin_media_type: String,
}

/// Why a command line is not containerd's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ArgumentsError {
    /// Bytes that are no UTF-8.
    #[error("an argument is not UTF-8")]
    NotUtf8,
    /// An argument that is none of ours, or at the wrong place.
    #[error("unexpected argument: usage: [--socket=PATH] -name REF -digest DIGEST -stdin-media-type TYPE")]
    Unexpected,
    /// The same flag twice.
    #[error("{0} is given twice")]
    Twice(&'static str),
    /// A flag is missing.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A flag at the end, without its value.
    #[error("{0} has no value")]
    NoValue(&'static str),
    /// An empty value, or one that looks like a flag.
    #[error("the value of {0} is empty or begins with a dash")]
    Value(&'static str),
    /// `--socket` is not an absolute path.
    #[error("--socket must be an absolute path")]
    Socket,
}

const NAME: &str = "-name";
const DIGEST: &str = "-digest";
const STDIN_MEDIA_TYPE: &str = "-stdin-media-type";

/// Reads a command line, without the program's own name.
///
/// The order of the three pairs does not matter.
///
/// # Errors
/// [`ArgumentsError`] for everything that is not exactly the form above.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Arguments, ArgumentsError> {
    let mut arguments = arguments
        .into_iter()
        .map(|argument| argument.into_string().map_err(|_| ArgumentsError::NotUtf8))
        .collect::<Result<Vec<_>, _>>()?
        .into_iter()
        .peekable();

    let mut socket = PathBuf::from(DEFAULT_SOCKET);
    if let Some(argument) = arguments.next_if(|argument| argument.starts_with("--socket=")) {
        socket = argument.strip_prefix("--socket=").map(PathBuf::from).ok_or(ArgumentsError::Socket)?;
        if !socket.is_absolute() {
            return Err(ArgumentsError::Socket);
        }
    }
    // The `#!` file itself, as the kernel passes it on.
    let _script = arguments.next_if(|argument| argument.starts_with('/'));

    let (mut name, mut digest, mut stdin_media_type) = (None, None, None);
    while let Some(flag) = arguments.next() {
        let (flag, place) = match flag.as_str() {
            NAME => (NAME, &mut name),
            DIGEST => (DIGEST, &mut digest),
            STDIN_MEDIA_TYPE => (STDIN_MEDIA_TYPE, &mut stdin_media_type),
            _ => return Err(ArgumentsError::Unexpected),
        };
        if place.is_some() {
            return Err(ArgumentsError::Twice(flag));
        }
        let value = arguments.next().ok_or(ArgumentsError::NoValue(flag))?;
        if value.is_empty() || value.starts_with('-') {
            return Err(ArgumentsError::Value(flag));
        }
        *place = Some(value);
    }
    Ok(Arguments {
        socket,
        name: name.ok_or(ArgumentsError::Missing(NAME))?,
        digest: digest.ok_or(ArgumentsError::Missing(DIGEST))?,
        stdin_media_type: stdin_media_type.ok_or(ArgumentsError::Missing(STDIN_MEDIA_TYPE))?,
    })
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt as _;
    use std::path::PathBuf;

    use super::{Arguments, ArgumentsError, parse};

    const GOLDEN: [&str; 6] = [
        "-name",
        "r.io/a:1",
        "-digest",
        "sha256:00",
        "-stdin-media-type",
        "application/vnd.oci.descriptor.v1+json",
    ];

    fn read(arguments: &[&str]) -> Result<Arguments, ArgumentsError> {
        parse(arguments.iter().map(OsString::from))
    }

    fn with(front: &[&str], back: &[&str]) -> Result<Arguments, ArgumentsError> {
        read(&[front, &GOLDEN, back].concat())
    }

    #[test]
    fn containerds_command_line_is_read() {
        assert_eq!(
            read(&GOLDEN),
            Ok(Arguments {
                socket: PathBuf::from("/run/pullward/verifier.sock"),
                name: "r.io/a:1".into(),
                digest: "sha256:00".into(),
                stdin_media_type: "application/vnd.oci.descriptor.v1+json".into(),
            })
        );
    }

    #[test]
    fn what_the_kernel_makes_of_the_wrapper_is_read() {
        let read = with(&["--socket=/s/v.sock", "/opt/bin/00-pullward-verifier"], &[]).unwrap();
        assert_eq!(read.socket, PathBuf::from("/s/v.sock"));
        assert_eq!(
            with(&["/opt/bin/00-pullward-verifier"], &[]).unwrap().socket,
            PathBuf::from(super::DEFAULT_SOCKET)
        );
    }

    #[test]
    fn the_order_of_the_pairs_does_not_matter() {
        let mut turned = GOLDEN;
        turned.rotate_left(2);
        assert_eq!(read(&turned), read(&GOLDEN));
    }

    #[test]
    fn each_missing_flag_is_named() {
        assert_eq!(read(&GOLDEN[2..]), Err(ArgumentsError::Missing("-name")));
        assert_eq!(read(&GOLDEN[..2]), Err(ArgumentsError::Missing("-digest")));
        assert_eq!(read(&GOLDEN[..4]), Err(ArgumentsError::Missing("-stdin-media-type")));
        assert_eq!(read(&[]), Err(ArgumentsError::Missing("-name")));
    }

    #[test]
    fn a_repeated_flag_is_refused() {
        assert_eq!(with(&[], &["-name", "r.io/a:1"]), Err(ArgumentsError::Twice("-name")));
    }

    #[test]
    fn a_flag_without_value_is_refused() {
        assert_eq!(read(&GOLDEN[..5]), Err(ArgumentsError::NoValue("-stdin-media-type")));
    }

    #[test]
    fn a_value_that_looks_like_a_flag_is_refused() {
        assert_eq!(read(&["-name", "-digest", "x"]), Err(ArgumentsError::Value("-name")));
        assert_eq!(read(&["-name", "--help"]), Err(ArgumentsError::Value("-name")));
        assert_eq!(read(&["-name", ""]), Err(ArgumentsError::Value("-name")));
    }

    #[test]
    fn other_spellings_are_refused() {
        for odd in
            ["--name", "-n", "-name=x", "-Name", "extra", "", "--", "--socket=/s", "-socket=/s", "/late/path"]
        {
            assert_eq!(with(&[], &[odd]), Err(ArgumentsError::Unexpected), "{odd}");
        }
    }

    #[test]
    fn two_sockets_or_two_scripts_are_refused() {
        assert_eq!(with(&["--socket=/a", "--socket=/b"], &[]), Err(ArgumentsError::Unexpected));
        assert_eq!(with(&["/a", "/b"], &[]), Err(ArgumentsError::Unexpected));
        assert_eq!(with(&["/a", "--socket=/b"], &[]), Err(ArgumentsError::Unexpected));
    }

    #[test]
    fn a_relative_socket_is_refused() {
        assert_eq!(with(&["--socket=v.sock"], &[]), Err(ArgumentsError::Socket));
        assert_eq!(with(&["--socket="], &[]), Err(ArgumentsError::Socket));
    }

    #[test]
    fn bytes_that_are_no_text_are_refused() {
        assert_eq!(parse([OsString::from_vec(vec![0xff])]), Err(ArgumentsError::NotUtf8));
    }
}
