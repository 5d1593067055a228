//! Bodies of answers: whole, streamed, compressed.

use std::convert::Infallible;
use std::io::Write as _;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures::{Stream, StreamExt as _};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Frame;

/// The body of an answer.
pub(crate) type Body = UnsyncBoxBody<Bytes, Infallible>;

/// Below this many bytes compression costs more than it saves on any network we know of.
pub(crate) const GZIP_BYTES_MIN: usize = 128 * 1024;

/// A body that is there as a whole.
pub(crate) fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).boxed_unsync()
}

/// A body that comes in pieces.
pub(crate) fn stream(pieces: impl Stream<Item = Bytes> + Send + 'static) -> Body {
    StreamBody::new(pieces.map(|piece| Ok(Frame::data(piece)))).boxed_unsync()
}

/// Compresses pieces as they pass.
pub(crate) struct Gzip<I> {
    pieces: I,
    encoder: Option<GzEncoder<Vec<u8>>>,
}

// === impl Gzip ===

impl<I> Gzip<I> {
    pub(crate) fn new(pieces: I) -> Self {
        // The fastest level: a list is compressed once for one reader.
        Self { pieces, encoder: Some(GzEncoder::new(Vec::new(), Compression::fast())) }
    }
}

impl<I: Iterator<Item = Bytes>> Iterator for Gzip<I> {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        let encoder = self.encoder.as_mut()?;
        for piece in self.pieces.by_ref() {
            encoder.write_all(&piece).expect("a vector takes every write");
            if !encoder.get_ref().is_empty() {
                return Some(std::mem::take(encoder.get_mut()).into());
            }
        }
        let rest = self.encoder.take()?.finish().expect("a vector takes every write");
        Some(rest.into())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn compresses_what_passes() {
        let pieces: Vec<Bytes> = (0..200_u32).map(|n| Bytes::from(n.to_string().repeat(100))).collect();
        let packed: Vec<u8> =
            Gzip::new(pieces.clone().into_iter()).flat_map(|piece| piece.to_vec()).collect();
        let mut unpacked = Vec::new();
        flate2::read::GzDecoder::new(packed.as_slice()).read_to_end(&mut unpacked).unwrap();
        assert_eq!(unpacked, pieces.concat());
        assert!(packed.len() < unpacked.len() / 4);
    }
}
