//! No input makes the inflater panic or exceed its limit, the output does not depend on the pieces, and data
//! compressed by another encoder is restored completely.

#![no_main]

mod watch;

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use libfuzzer_sys::fuzz_target;
use sitemap::limits::SLICE_BYTES;
use sitemap::{Buffer, Inflater, Limits, Problem};

/// The output, the problem at the end, and whether the limit was exceeded.
type Outcome = (Vec<u8>, Option<Problem>, bool);

fn inflate(body: &[u8], limits: &Limits, piece_bytes: usize) -> Outcome {
    let mut inflater = Inflater::new(limits);
    let (mut all, mut slice) = (Vec::new(), Buffer::new());
    for mut piece in body.chunks(piece_bytes.max(1)) {
        loop {
            slice.clear();
            let step = inflater.push(piece, &mut slice);
            assert!(slice.len() <= SLICE_BYTES);
            all.extend_from_slice(&slice);
            let Ok(step) = step else {
                assert_eq!(all.len() as u64, limits.document_bytes);
                return (all, None, true);
            };
            piece = &piece[step.consumed..];
            if piece.is_empty() && !step.more {
                break;
            }
        }
    }
    slice.clear();
    let problem = inflater.finish(&mut slice);
    all.extend_from_slice(&slice);
    (all, problem, false)
}

fn compress(members: &[&[u8]]) -> Vec<u8> {
    let mut compressed = Vec::new();
    for member in members {
        let mut encoder = GzEncoder::new(&mut compressed, Compression::fast());
        encoder.write_all(member).expect("writing to memory cannot fail");
        encoder.finish().expect("writing to memory cannot fail");
    }
    compressed
}

// The last byte of an input chooses the pieces. The body comes first, so run.sh can make a seed by appending a byte
// to a file.
fuzz_target!(|bytes: &[u8]| {
    let [body @ .., size] = bytes else { return };
    watch::in_linear_time(|| check(body, usize::from(*size) + 1));
});

/// Returns the number of bytes that were inflated.
fn check(body: &[u8], piece_bytes: usize) -> u64 {
    let limits = Limits { document_bytes: 1 << 20, ..Limits::default() };
    let inflated = inflate(body, &limits, piece_bytes);
    assert_eq!(inflated, inflate(body, &limits, usize::MAX));

    let one_layer = Limits { layers: 1, ..limits };
    let (first, second) = body.split_at(body.len() / 2);
    assert_eq!(inflate(&compress(&[first, second]), &one_layer, piece_bytes), (body.to_vec(), None, false));
    (inflated.0.len() + body.len()) as u64
}
