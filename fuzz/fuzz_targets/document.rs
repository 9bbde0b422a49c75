//! No input makes the reader panic, entries and problems do not depend on the pieces in which bytes arrive, and the
//! results stay within the limits.

#![no_main]

#[allow(dead_code)]
#[path = "../../sitemap/tests/reading.rs"]
mod reading;
mod watch;

use libfuzzer_sys::fuzz_target;
use reading::{base, comparable};
use sitemap::{Limits, limits};
use url::Url;

/// Limits so low that small documents reach them.
const LOW_LIMITS: Limits = Limits {
    document_bytes: 3_000,
    token_bytes: 60,
    entry_bytes: 1_500,
    memory_bytes: limits::MEMORY_BYTES_MAX,
    depth: 5,
    loc_bytes: 50,
    layers: 1,
    problems: 20,
};

// The last two bytes of an input choose the limits and the pieces. The document comes first, so run.sh can make a
// seed by appending two bytes to a file.
fuzz_target!(|bytes: &[u8]| {
    let [body @ .., choice, size] = bytes else { return };
    watch::in_linear_time(|| check(body, *choice, *size));
});

/// Returns the number of bytes that were read.
fn check(body: &[u8], choice: u8, size: u8) -> u64 {
    let limits = if choice & 1 == 0 { Limits::default() } else { LOW_LIMITS };
    let sizes = [usize::from(size).max(1), 1 + usize::from(choice >> 1), 1];
    let whole = comparable(reading::read(body, &base(), limits));
    let in_pieces = comparable(reading::read_in_pieces(body, &base(), limits, &sizes));
    assert_eq!(in_pieces, whole, "in pieces of {sizes:?}");

    let (document, reading) = whole;
    assert_eq!(reading.items.len() as u64, document.entries + document.children);
    assert!(reading.problems.len() as u64 <= limits.problems.min(document.problems));
    for loc in reading.locs() {
        let url = Url::parse(loc).expect("every loc is a URL");
        assert!(matches!(url.scheme(), "http" | "https") && url.has_host(), "{loc}");
        assert!(loc.len() <= limits.loc_bytes && loc.bytes().all(|byte| byte.is_ascii_graphic()), "{loc}");
    }
    body.len() as u64 + document.bytes_decoded
}
