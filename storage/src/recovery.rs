//! Repairs what a crash left in a data directory, and detects what no crash can explain.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use frontier::SessionId;

use crate::data_dir::error::OpenError;
use crate::sealing::{MERGING_FILE, SEALING_FILE};
use crate::segment::name::SegmentName;
use crate::segment::open::truncate;
use crate::segment::record::{SegmentPlace, SegmentRecord};

/// The segments and sessions that are registered in the queue.
pub(crate) struct Registered {
    /// All registered segments, in the order of their rows.
    pub(crate) segments: Vec<SegmentRecord>,
    /// The sessions, by number. The last one may have been writing when its process ended.
    pub(crate) sessions: Vec<SessionId>,
    /// The number of the last commit of each session.
    pub(crate) last_commits: Vec<u64>,
}

impl Registered {
    /// The place of the segment with that name; `None` if the queue does not know its session.
    fn place(&self, name: SegmentName) -> Option<SegmentPlace> {
        let session = self.sessions.iter().position(|session| *session == name.session)?;
        Some(SegmentPlace { session: u32::try_from(session).ok()?, seq: name.seq })
    }

    /// The name that the next segment of the last session would have.
    fn next_name(&self) -> Option<SegmentName> {
        let number = u32::try_from(self.sessions.len()).ok()?.checked_sub(1)?;
        let places = self.segments.iter().map(|segment| segment.last);
        let last = places.filter(|place| place.session == number).map(|place| place.seq).max();
        let session = *self.sessions.last()?;
        Some(SegmentName { session, seq: last.map_or(0, |seq| seq + 1), sealed: None })
    }

    /// The one of these files that may contain unregistered bytes.
    fn youngest(&self, files: &BTreeSet<String>) -> Option<String> {
        let next = self.next_name()?;
        let last = next.seq.checked_sub(1).map(|seq| SegmentName { seq, ..next }.to_string());
        Some(next.to_string()).filter(|next| files.contains(next)).or(last)
    }

    /// Whether the file of that name was left by an interrupted sealing: a registered segment contains its rows.
    fn is_sealing_leftover(&self, name: &str) -> bool {
        let place = name.parse().ok().and_then(|name| self.place(name));
        place.is_some_and(|place| self.segments.iter().any(|segment| segment.covers(place)))
    }
}

/// Something that an interrupted process left in `segments/`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Leftover {
    /// A source or the result of an interrupted sealing.
    File(PathBuf),
    /// The part of a file from this offset on, which the last session appended but did not register.
    Tail(PathBuf, u64),
}

impl Leftover {
    /// Removes the file or the tail durably.
    pub(crate) fn remove(&self, dir: &Path) -> Result<(), OpenError> {
        let (path, bytes) = match self {
            Self::File(path) => (path, 0),
            Self::Tail(path, bytes) => (path, *bytes),
        };
        truncate(dir, path, bytes).map_err(|error| OpenError::io("truncate", path, error))
    }
}

/// Removes the temporary files in `dir`: those of documents, whose names are numbers, and those of sealing. Files of other
/// names were not made by a crawl and stay.
pub(crate) fn remove_temporary(dir: &Path) -> Result<(), OpenError> {
    for name in names(dir)? {
        let is_document = name.bytes().all(|byte| byte.is_ascii_digit());
        if is_document || name == SEALING_FILE || name == MERGING_FILE {
            let path = dir.join(&name);
            fs::remove_file(&path).map_err(|error| OpenError::io("remove", &path, error))?;
        }
    }
    Ok(())
}

/// Checks that every registered segment exists and has at least its registered length.
fn check_registered(dir: &Path, registered: &Registered) -> Result<(), OpenError> {
    for segment in &registered.segments {
        let path = dir.join(&segment.name);
        let damaged = |reason: String| OpenError::Damaged { path: path.clone(), reason };
        let bytes = match fs::metadata(&path) {
            Ok(metadata) => metadata.len(),
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                return Err(OpenError::io("read", &path, error));
            }
            Err(error) => {
                return Err(damaged(format!(
                    "it contains entries of this crawl and cannot be read ({error})"
                )));
            }
        };
        if bytes < segment.bytes {
            return Err(damaged(format!("it has {bytes} bytes, but {} are registered", segment.bytes)));
        }
    }
    Ok(())
}

/// Finds the files in `dir`, and the parts of files, that a crash left and that may be removed.
///
/// Appends and commits alternate, so a crash leaves unregistered bytes only in the youngest file of the last session.
/// An interrupted sealing leaves files whose rows a registered segment contains. Any other unregistered bytes mean
/// that the queue lost commits, which is an error. A registered segment that is missing or too short is an error too.
pub(crate) fn leftovers(dir: &Path, registered: &Registered) -> Result<Vec<Leftover>, OpenError> {
    check_registered(dir, registered)?;
    let known: BTreeMap<&str, u64> =
        registered.segments.iter().map(|segment| (segment.name.as_str(), segment.bytes)).collect();
    let files = names(dir)?;
    let youngest = registered.youngest(&files);
    let mut leftovers = Vec::new();
    for name in &files {
        let path = dir.join(name);
        let bytes = fs::metadata(&path).map_err(|error| OpenError::io("read", &path, error))?.len();
        let known = known.get(name.as_str()).copied();
        if known == Some(bytes) {
            continue;
        }
        if known.is_none() && registered.is_sealing_leftover(name) {
            leftovers.push(Leftover::File(path));
        } else if Some(name) == youngest.as_ref() {
            leftovers.push(Leftover::Tail(path, known.unwrap_or(0)));
        } else {
            let known = known.unwrap_or(0);
            let reason = format!("it has {bytes} bytes, but {known} are registered: the queue lost commits");
            return Err(OpenError::Damaged { path, reason });
        }
    }
    Ok(leftovers)
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
