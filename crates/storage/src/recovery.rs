//! What a start puts right after a crash, and what it refuses to.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use frontier::SessionId;

use crate::data_dir::OpenError;
use crate::segment::cut;
use crate::segment::name::SegmentName;
use crate::work_queue::sled::SegmentRecord;

/// What the queue knows of the segments.
pub(crate) struct Registered {
    /// All registered ones, in the order of their making.
    pub(crate) segments: Vec<SegmentRecord>,
    /// The session that may have been writing when the process ended.
    pub(crate) last_session: Option<SessionId>,
}

impl Registered {
    /// The name that the next segment of the last session has.
    fn next_name(&self) -> Option<SegmentName> {
        let session = self.last_session?;
        let names = self.segments.iter().filter_map(|segment| segment.name.parse::<SegmentName>().ok());
        let last = names.filter(|name| name.session == session).map(|name| name.seq).max();
        Some(SegmentName { session, seq: last.map_or(0, |seq| seq + 1) })
    }

    /// The segment that may have bytes which nobody registered, of these files.
    fn youngest(&self, files: &BTreeSet<String>) -> Option<String> {
        let next = self.next_name()?;
        let last = next.seq.checked_sub(1).map(|seq| SegmentName { seq, ..next }.to_string());
        Some(next.to_string()).filter(|next| files.contains(next)).or(last)
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
pub(crate) fn check_registered(dir: &Path, registered: &Registered) -> Result<(), OpenError> {
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

/// Cuts off what the last session appended without registering it.
///
/// Appends and commits alternate, so a crash leaves such bytes in one file only: the youngest of the last session.
/// Any others mean that the queue lost commits, and are an error.
pub(crate) fn cut_unregistered(dir: &Path, registered: &Registered) -> Result<(), OpenError> {
    check_registered(dir, registered)?;
    let known: BTreeMap<&str, u64> =
        registered.segments.iter().map(|segment| (segment.name.as_str(), segment.bytes)).collect();
    let files = names(dir)?;
    let youngest = registered.youngest(&files);
    for name in &files {
        let path = dir.join(name);
        let bytes = fs::metadata(&path).map_err(|error| OpenError::io("read", &path, error))?.len();
        let known = known.get(name.as_str()).copied();
        if known == Some(bytes) {
            continue;
        }
        let known = known.unwrap_or(0);
        if Some(name) != youngest.as_ref() {
            let what = format!("it has {bytes} bytes, {known} are registered: the queue lost commits");
            return Err(OpenError::Damaged { path, what });
        }
        cut(dir, &path, known).map_err(|error| OpenError::io("cut", &path, error))?;
    }
    Ok(())
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
