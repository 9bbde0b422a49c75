//! Sitemaps that never end, plain or as a small gzip file.

use std::io::{self, Write};
use std::iter;

use flate2::write::GzEncoder;
use flate2::{Compress, Compression, Crc, FlushCompress};
use hyper::body::Bytes;

const OPENING: &str =
    "<?xml version=\"1.0\"?>\n<urlset xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\">\n";
const ENTRY: &str = "<url><loc>https://www.example.com/a/page/that/is/listed/again/and/again</loc></url>\n";
const CLOSING: &str = "</urlset>\n";

/// Size of the repeated block: whole entries, padded with spaces.
const BLOCK_BYTES: usize = 1 << 20;

/// A URL set that repeats one entry without end, in blocks of a mebibyte.
pub(crate) fn endless() -> impl Iterator<Item = Bytes> + Send {
    let block = Bytes::from(block());
    iter::once(Bytes::from_static(OPENING.as_bytes())).chain(iter::repeat(block))
}

/// A gzip file (RFC 1952) that inflates to a given number of blocks. It is never in memory as a whole.
pub(crate) struct Bomb {
    head: Bytes,
    block: Bytes,
    tail: Bytes,
    blocks: u64,
}

impl Bomb {
    /// A bomb that inflates to at least `decoded_bytes`.
    pub(crate) fn new(decoded_bytes: u64) -> io::Result<Self> {
        let blocks = decoded_bytes.div_ceil(BLOCK_BYTES as u64);
        let plain = block();
        let mut deflate = Compress::new(Compression::best(), false);
        let mut head = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 255];
        head.extend(deflate_part(&mut deflate, OPENING.as_bytes(), FlushCompress::Full)?);
        // A full flush resets the compressor, so this part can be repeated any number of times.
        let block = deflate_part(&mut deflate, &plain, FlushCompress::Full)?;
        let mut tail = deflate_part(&mut deflate, CLOSING.as_bytes(), FlushCompress::Finish)?;
        let crc = crc_of_all(&plain, blocks);
        tail.write_all(&crc.sum().to_le_bytes())?;
        tail.write_all(&crc.amount().to_le_bytes())?;
        Ok(Self { head: head.into(), block: block.into(), tail: tail.into(), blocks })
    }

    pub(crate) fn length_bytes(&self) -> u64 {
        (self.head.len() + self.tail.len()) as u64 + self.blocks * self.block.len() as u64
    }

    pub(crate) fn chunks(self) -> impl Iterator<Item = Bytes> + Send {
        let blocks = (0..self.blocks).map(move |_| self.block.clone());
        iter::once(self.head).chain(blocks).chain([self.tail])
    }
}

/// Writes a bomb that inflates to at least `decoded_bytes`, as a gzip file of a gzip file: a millionth of that size.
pub(crate) fn write_doubled(decoded_bytes: u64, out: &mut dyn Write) -> io::Result<()> {
    let mut outer = GzEncoder::new(out, Compression::best());
    Bomb::new(decoded_bytes)?.chunks().try_for_each(|chunk| outer.write_all(&chunk))?;
    outer.finish().map(drop)
}

fn block() -> Vec<u8> {
    let mut block = ENTRY.repeat(BLOCK_BYTES / ENTRY.len()).into_bytes();
    block.resize(BLOCK_BYTES, b' ');
    block
}

fn deflate_part(deflate: &mut Compress, plain: &[u8], flush: FlushCompress) -> io::Result<Vec<u8>> {
    // More than deflate can ever need, so that one call is enough.
    let mut part = Vec::with_capacity(plain.len() + plain.len() / 8 + 1024);
    deflate.compress_vec(plain, &mut part, flush)?;
    Ok(part)
}

/// The checksum of the whole document, combined from the checksums of its parts.
fn crc_of_all(plain: &[u8], blocks: u64) -> Crc {
    let mut all = crc_of(OPENING.as_bytes());
    let one = crc_of(plain);
    (0..blocks).for_each(|_| all.combine(&one));
    all.combine(&crc_of(CLOSING.as_bytes()));
    all
}

fn crc_of(bytes: &[u8]) -> Crc {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;

    use super::*;

    #[test]
    fn a_doubled_bomb_of_ten_gibibytes_takes_some_kibibytes() {
        let mut packed = Vec::new();
        write_doubled(10 << 30, &mut packed).unwrap();
        let mut inner = Vec::new();
        GzDecoder::new(packed.as_slice()).read_to_end(&mut inner).unwrap();
        assert_eq!(inner.len() as u64, Bomb::new(10 << 30).unwrap().length_bytes());
        assert!(packed.len() < 100 << 10, "{}", packed.len());
    }

    #[test]
    fn a_bomb_is_a_sound_gzip_file_a_thousandth_of_its_document() {
        let bomb = Bomb::new(5_000_000).unwrap();
        let length = bomb.length_bytes();
        let packed: Vec<u8> = bomb.chunks().flatten().collect();
        let mut text = String::new();
        GzDecoder::new(packed.as_slice()).read_to_string(&mut text).unwrap();
        assert_eq!(packed.len() as u64, length);
        assert!(text.len() >= 5_000_000 && text.starts_with("<?xml") && text.ends_with("</urlset>\n"));
        assert!(packed.len() * 250 < text.len(), "{} of {}", packed.len(), text.len());
    }
}
