//! Content codings, made once when a bundle is published and served as they are.

use std::io::Write;

use bytes::Bytes;

/// A content coding (RFC 9110, section 8.4.1) in which bundles are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// The file itself.
    Identity,
    /// RFC 7932.
    Brotli,
    /// RFC 8878.
    Zstd,
    /// RFC 1952.
    Gzip,
}

impl Encoding {
    /// The codings that compress, smallest result first.
    pub const COMPRESSED: [Self; 3] = [Self::Brotli, Self::Zstd, Self::Gzip];

    /// The coding's name in `Accept-Encoding` and `Content-Encoding`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Brotli => "br",
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
        }
    }

    /// What is added to a blob's key.
    pub(crate) const fn suffix(self) -> &'static str {
        match self {
            Self::Identity => "",
            Self::Brotli => ".br",
            Self::Zstd => ".zst",
            Self::Gzip => ".gz",
        }
    }

    /// `content` in this coding. Brotli and zstd at their slowest settings: this happens once, serving for ever.
    fn encode(self, content: &[u8]) -> std::io::Result<Vec<u8>> {
        match self {
            Self::Identity => Ok(content.to_vec()),
            Self::Brotli => {
                let quality = if content.len() > LARGE { 9 } else { 11 };
                let mut coded = Vec::new();
                let mut writer = brotli::CompressorWriter::new(&mut coded, 64 * 1024, quality, 22);
                writer.write_all(content)?;
                writer.flush()?;
                drop(writer);
                Ok(coded)
            }
            Self::Zstd => zstd::bulk::compress(content, 19),
            Self::Gzip => {
                let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
                writer.write_all(content)?;
                writer.finish()
            }
        }
    }
}

/// Above this many bytes the slowest brotli takes seconds.
const LARGE: usize = 512 * 1024;

/// `content` in every coding that makes it smaller.
pub(crate) fn encode_all(content: &[u8]) -> std::io::Result<Vec<(Encoding, Bytes)>> {
    let mut coded = Vec::new();
    for encoding in Encoding::COMPRESSED {
        let bytes = encoding.encode(content)?;
        if bytes.len() < content.len() {
            coded.push((encoding, bytes.into()));
        }
    }
    Ok(coded)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn every_coding_gives_the_content_back() {
        let content = "export default () => 'a plugin';\n".repeat(200).into_bytes();
        let coded = encode_all(&content).unwrap();
        assert_eq!(coded.len(), 3);
        for (encoding, bytes) in coded {
            let mut back = Vec::new();
            match encoding {
                Encoding::Identity => unreachable!("the file itself is not a coding"),
                Encoding::Brotli => {
                    brotli::Decompressor::new(bytes.as_ref(), 4096).read_to_end(&mut back).unwrap();
                }
                Encoding::Zstd => back = zstd::decode_all(bytes.as_ref()).unwrap(),
                Encoding::Gzip => {
                    flate2::read::GzDecoder::new(bytes.as_ref()).read_to_end(&mut back).unwrap();
                }
            }
            assert_eq!(back, content, "{encoding:?}");
        }
    }

    #[test]
    fn a_coding_that_saves_nothing_is_left_out() {
        assert!(encode_all(b"x").unwrap().is_empty());
    }
}
