//! What a start puts right after a crash, and what it refuses to.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use frontier::SessionId;

use crate::data_dir::OpenError;
use crate::segment::cut;
use crate::segment::name::SegmentName;
use crate::work_queue::sled::{SegmentPlace, SegmentRecord};

/// What the queue knows of the segments.
pub(crate) struct Registered {
    /// All registered ones, in the order of their rows.
    pub(crate) segments: Vec<SegmentRecord>,
    /// The sessions, by number. The last one may have been writing when the process ended.
    pub(crate) sessions: Vec<SessionId>,
}

impl Registered {
    /// Where the segment of that name was begun; `None` for a session that the queue does not know.
    fn place(&self, name: SegmentName) -> Option<SegmentPlace> {
        let session = self.sessions.iter().position(|session| *session == name.session)?;
        Some(SegmentPlace { session: u32::try_from(session).ok()?, seq: name.seq })
    }

    /// The name that the next segment of the last session has.
    fn next_name(&self) -> Option<SegmentName> {
        let number = u32::try_from(self.sessions.len()).ok()?.checked_sub(1)?;
        let places = self.segments.iter().map(|segment| segment.last);
        let last = places.filter(|place| place.session == number).map(|place| place.seq).max();
        let session = *self.sessions.last()?;
        Some(SegmentName { session, seq: last.map_or(0, |seq| seq + 1), sealed: None })
    }

    /// The segment that may have bytes which nobody registered, of these files.
    fn youngest(&self, files: &BTreeSet<String>) -> Option<String> {
        let next = self.next_name()?;
        let last = next.seq.checked_sub(1).map(|seq| SegmentName { seq, ..next }.to_string());
        Some(next.to_string()).filter(|next| files.contains(next)).or(last)
    }

    /// Whether the file of that name is one that a registered segment was made of, or should have replaced: what is left
    /// of a sealing that was interrupted.
    fn is_left_over(&self, name: &str) -> bool {
        let place = name.parse().ok().and_then(|name| self.place(name));
        place.is_some_and(|place| self.segments.iter().any(|segment| segment.covers(place)))
    }
}

/// What an interrupted process left in `segments/`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum LeftOver {
    /// A file from before or after an interrupted sealing.
    File(PathBuf),
    /// Bytes beyond these, which the last session appended without registering them.
    Tail(PathBuf, u64),
}

impl LeftOver {
    /// Removes it durably.
    pub(crate) fn remove(&self, dir: &Path) -> Result<(), OpenError> {
        let (path, bytes) = match self {
            Self::File(path) => (path, 0),
            Self::Tail(path, bytes) => (path, *bytes),
        };
        cut(dir, path, bytes).map_err(|error| OpenError::io("cut", path, error))
    }
}

/// Removes all files in `dir`.
pub(crate) fn empty(dir: &Path) -> Result<(), OpenError> {
    for entry in fs::read_dir(dir).map_err(|error| OpenError::io("read", dir, error))? {
        let path = entry.map_err(|error| OpenError::io("read", dir, error))?.path();
        fs::remove_file(&path).map_err(|error| OpenError::io("remove", &path, error))?;
    }
    Ok(())
}

/// Checks that every registered segment is there with at least its registered length.
fn check_registered(dir: &Path, registered: &Registered) -> Result<(), OpenError> {
    for segment in &registered.segments {
        let path = dir.join(&segment.name);
        let damaged = |what: String| OpenError::Damaged { path: path.clone(), what };
        let bytes = match fs::metadata(&path) {
            Ok(metadata) => metadata.len(),
            Err(error) => {
                return Err(damaged(format!("it holds entries of this crawl and cannot be read ({error})")));
            }
        };
        if bytes < segment.bytes {
            return Err(damaged(format!("it has {bytes} bytes, {} are registered", segment.bytes)));
        }
    }
    Ok(())
}

/// What may be removed of the files in `dir`.
///
/// Appends and commits alternate, so a crash leaves unregistered bytes in one file only: the youngest of the last
/// session. Sealing leaves files of which a registered segment knows. Any others mean that the queue lost commits, and are
/// an error; so is a registered segment that is missing or short.
pub(crate) fn left_over(dir: &Path, registered: &Registered) -> Result<Vec<LeftOver>, OpenError> {
    check_registered(dir, registered)?;
    let known: BTreeMap<&str, u64> =
        registered.segments.iter().map(|segment| (segment.name.as_str(), segment.bytes)).collect();
    let files = names(dir)?;
    let youngest = registered.youngest(&files);
    let mut left_over = Vec::new();
    for name in &files {
        let path = dir.join(name);
        let bytes = fs::metadata(&path).map_err(|error| OpenError::io("read", &path, error))?.len();
        let known = known.get(name.as_str()).copied();
        if known == Some(bytes) {
            continue;
        }
        if known.is_none() && registered.is_left_over(name) {
            left_over.push(LeftOver::File(path));
        } else if Some(name) == youngest.as_ref() {
            left_over.push(LeftOver::Tail(path, known.unwrap_or(0)));
        } else {
            let known = known.unwrap_or(0);
            let what = format!("it has {bytes} bytes, {known} are registered: the queue lost commits");
            return Err(OpenError::Damaged { path, what });
        }
    }
    Ok(left_over)
}

fn names(dir: &Path) -> Result<BTreeSet<String>, OpenError> {
    let listing = fs::read_dir(dir).map_err(|error| OpenError::io("read", dir, error))?;
    listing
        .map(|entry| {
            let entry = entry.map_err(|error| OpenError::io("read", dir, error))?;
            Ok(entry.file_name().to_string_lossy().into_owned())
        })
        .collect()
}
