//! Names of the objects in a place.

use frontier::Timestamp;

use crate::data_dir::layout::SEGMENTS_DIR;

/// The object that says which crawl the place belongs to.
pub(super) const MARKER: &str = "crawl";

/// Suffix of a file on a mount that is not complete yet.
const UNFINISHED_SUFFIX: &str = ".new";

/// Hex digits before that suffix.
const UNFINISHED_DIGITS: usize = 16;

/// An object in a listing.
pub(super) struct Listed {
    /// Its path below the listed folder.
    pub(super) path: String,
    /// When it was last written, by the clock of the place.
    pub(super) written_at: Timestamp,
}

/// Path of a segment in the place. Each session has its own folder, so that listings stay small.
pub(super) fn segment_path(name: &str) -> String {
    format!("{SEGMENTS_DIR}/{}", name.replacen('-', "/", 1))
}

/// Name of a segment, from its path below the folder of segments.
pub(super) fn segment_name(path: &str) -> String {
    path.replacen('/', "-", 1)
}

/// Name of the file that becomes `name` when it is complete. `id` must differ between the writers of the same file.
pub(super) fn unfinished_name(name: &str, id: u64) -> String {
    format!("{name}.{id:0UNFINISHED_DIGITS$x}{UNFINISHED_SUFFIX}")
}

/// The name that the file `name` gets when it is complete; `None` if it is not an unfinished file.
pub(super) fn finished_name(name: &str) -> Option<&str> {
    let (finished, id) = name.strip_suffix(UNFINISHED_SUFFIX)?.rsplit_once('.')?;
    let is_id = id.len() == UNFINISHED_DIGITS && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_id.then_some(finished)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_an_unfinished_file_contains_that_of_the_finished_one() {
        let name = "00000000000000000000000000000abc-000007-000012ab.parquet";
        for id in [0, 7, u64::MAX] {
            assert_eq!(finished_name(&unfinished_name(name, id)), Some(name));
        }
        for other in [name, "", "notes.new", "crawl.7.new", "crawl.00000000000000xy.new"] {
            assert_eq!(finished_name(other), None, "{other}");
        }
    }
}
