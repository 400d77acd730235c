//! What the server and its workers say to each other, over the worker's standard input and output.
//!
//! A frame is two lengths (32 bits, little endian), a header in JSON, and the bytes of files one after another. Both
//! sides bound both lengths: the server takes nothing on trust that comes from a worker that has read hostile input.

use std::io::{self, Read};

use bytes::Bytes;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::{
    diagnostic::Diagnostic,
    error::Limit,
    output::{ArtifactKind, Definition, Inspection},
    tree::SourceTree,
};

/// The longest header, in bytes.
pub(crate) const MAX_HEADER: usize = 8 * 1024 * 1024;

/// What the server asks.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Request {
    /// The first frame: what this worker may take.
    Start {
        memory_bytes: u64,
        /// Processor time of one build, in seconds.
        cpu_seconds: u64,
    },
    Build {
        entry: Option<String>,
        plugin_id: String,
        asset_bytes: u64,
        output_bytes: u64,
        /// Paths and lengths, in the order of the body.
        files: Vec<(String, usize)>,
    },
    Backend {
        entry: String,
        asset_bytes: u64,
        output_bytes: u64,
        /// Paths and lengths, in the order of the body.
        files: Vec<(String, usize)>,
    },
    /// The body is the bundle.
    Inspect,
}

/// What a worker answers.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Reply {
    /// To [`Request::Start`].
    Ready,
    Built {
        entry: String,
        bare_entry: String,
        /// Names, kinds and lengths, in the order of the body.
        artifacts: Vec<(String, ArtifactKind, usize)>,
        definition: Definition,
        warnings: Vec<Diagnostic>,
    },
    /// The body is the script and its source map, whose lengths these are.
    BuiltBackend {
        script: usize,
        source_map: usize,
        warnings: Vec<Diagnostic>,
    },
    Inspected(Inspection),
    Invalid(Vec<Diagnostic>),
    Limit {
        limit: Limit,
        actual: u64,
        allowed: u64,
    },
}

/// A header and the bytes that follow it.
#[derive(Debug)]
pub(crate) struct Frame<T> {
    pub(crate) header: T,
    pub(crate) body: Bytes,
}

impl<T> Frame<T> {
    /// The body cut into pieces of these lengths; `None` where they are not its length together.
    pub(crate) fn pieces(&self, lengths: impl Iterator<Item = usize>) -> Option<Vec<Bytes>> {
        let mut rest = self.body.clone();
        let mut pieces = Vec::new();
        for length in lengths {
            if length > rest.len() {
                return None;
            }
            pieces.push(rest.split_to(length));
        }
        rest.is_empty().then_some(pieces)
    }
}

/// A frame as bytes.
pub(crate) fn encode<'a, T: Serialize>(
    header: &T,
    body: impl Iterator<Item = &'a [u8]> + Clone,
) -> io::Result<Vec<u8>> {
    let header = serde_json::to_vec(header)?;
    let length: usize = body.clone().map(<[u8]>::len).sum();
    let lengths = [header.len(), length].map(u32::try_from);
    let [Ok(header_length), Ok(body_length)] = lengths else { return Err(unusable("a frame is too large")) };
    let mut frame = Vec::with_capacity(8 + header.len() + length);
    frame.extend_from_slice(&header_length.to_le_bytes());
    frame.extend_from_slice(&body_length.to_le_bytes());
    frame.extend_from_slice(&header);
    body.for_each(|piece| frame.extend_from_slice(piece));
    Ok(frame)
}

/// Reads a frame whose body has at most `max_body` bytes.
pub(crate) async fn receive<T: DeserializeOwned>(
    input: &mut (impl AsyncRead + Unpin),
    max_body: usize,
) -> io::Result<Frame<T>> {
    let mut prefix = [0; 8];
    input.read_exact(&mut prefix).await?;
    let (mut header, mut body) = buffers(prefix, max_body)?;
    input.read_exact(&mut header).await?;
    input.read_exact(&mut body).await?;
    Ok(Frame { header: serde_json::from_slice(&header)?, body: body.into() })
}

/// As [`receive`], blocking; `None` where the input ends before a frame.
pub(crate) fn read<T: DeserializeOwned>(
    input: &mut impl Read,
    max_body: usize,
) -> io::Result<Option<Frame<T>>> {
    let mut prefix = [0; 8];
    match input.read_exact(&mut prefix) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let (mut header, mut body) = buffers(prefix, max_body)?;
    input.read_exact(&mut header)?;
    input.read_exact(&mut body)?;
    Ok(Some(Frame { header: serde_json::from_slice(&header)?, body: body.into() }))
}

fn buffers(prefix: [u8; 8], max_body: usize) -> io::Result<(Vec<u8>, Vec<u8>)> {
    // The first length is in the low half of the eight bytes.
    let lengths = u64::from_le_bytes(prefix);
    let [header, body] = [lengths & u64::from(u32::MAX), lengths >> 32].map(usize::try_from);
    let (Ok(header), Ok(body)) = (header, body) else {
        return Err(unusable("a frame is longer than allowed"));
    };
    if header > MAX_HEADER || body > max_body {
        return Err(unusable("a frame is longer than allowed"));
    }
    Ok((vec![0; header], vec![0; body]))
}

/// The tree's files as a list for a header.
pub(crate) fn listing(tree: &SourceTree) -> Vec<(String, usize)> {
    tree.iter().map(|(path, content)| (path.to_owned(), content.len())).collect()
}

/// An error for what does not follow the protocol.
pub(crate) fn unusable(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame() -> Vec<u8> {
        encode(&Request::Inspect, [&b"abc"[..], b"de"].into_iter()).unwrap()
    }

    #[tokio::test]
    async fn a_frame_comes_out_as_it_went_in() {
        let bytes = frame();
        let read = read::<Request>(&mut &bytes[..], 5).unwrap().unwrap();
        assert_eq!(read.pieces([3, 2].into_iter()).unwrap(), [&b"abc"[..], b"de"]);
        assert!(read.pieces([3].into_iter()).is_none() && read.pieces([3, 3].into_iter()).is_none());
        let received = receive::<Request>(&mut &bytes[..], 5).await.unwrap();
        assert_eq!(received.body, read.body);
    }

    #[test]
    fn lengths_are_bounded_before_anything_is_allocated() {
        assert!(read::<Request>(&mut &frame()[..], 4).is_err());
        let mut endless = vec![0xff; 8];
        endless.extend([0; 64]);
        assert!(read::<Request>(&mut &endless[..], usize::MAX).is_err());
    }

    #[test]
    fn a_cut_frame_is_an_error_and_a_closed_input_an_end() {
        let bytes = frame();
        assert!(read::<Request>(&mut &b""[..], 5).unwrap().is_none());
        for end in 8..bytes.len() {
            assert!(read::<Request>(&mut &bytes[..end], 5).is_err(), "{end}");
        }
    }
}
