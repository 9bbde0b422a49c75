//! Removes files that no commit registered and none can register any more.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use frontier::{SessionId, Timestamp};

use super::error::PlaceError;
use super::layout::{Listed, MARKER, finished_name, segment_name, segment_path};
use super::store::SegmentStore;
use crate::segment::name::SegmentName;

/// Age of the last file of a session before which none of its files is garbage. Readers may still read segments that
/// it has replaced.
pub const GARBAGE_AGE_MIN: Duration = Duration::from_secs(24 * 3600);

/// What the queue knows. The methods are called in this order.
pub trait Registry {
    /// Why the queue could not be read.
    type Error;

    /// The sessions that can still register segments.
    fn sessions_alive(&mut self) -> Result<BTreeSet<SessionId>, Self::Error>;

    /// The names of all registered segments.
    fn registered(&mut self) -> Result<BTreeSet<String>, Self::Error>;
}

/// Why garbage could not be removed.
#[derive(Debug, thiserror::Error)]
pub enum GarbageError<E> {
    /// The queue could not be read.
    #[error(transparent)]
    Registry(E),
    /// The place could not be read or changed.
    #[error(transparent)]
    Store(#[from] PlaceError),
}

impl SegmentStore {
    /// Removes the files that are garbage at `now` and returns their names. `now` is approximately the time by the
    /// clock of the place.
    ///
    /// A file, finished or not, is garbage if its session has ended, has written nothing for [`GARBAGE_AGE_MIN`], and
    /// has not registered the file. An unfinished marker of that age is garbage too. Files with other names are left
    /// alone.
    ///
    /// Files, sessions and registered segments are listed in this order, which avoids races. A session that has ended
    /// never returns, so it cannot register a file later. What it replaced, it replaced before its last file reached
    /// that age.
    pub fn remove_garbage<R: Registry>(
        &self,
        registry: &mut R,
        now: Timestamp,
    ) -> Result<Vec<String>, GarbageError<R::Error>> {
        let is_old = |written_at: Timestamp| written_at + GARBAGE_AGE_MIN < now;
        let mut removed = Vec::new();
        for Listed { path, written_at } in self.list_root()? {
            if finished_name(&path) == Some(MARKER) && is_old(written_at) {
                self.remove(&path)?;
                removed.push(path);
            }
        }
        let listed = self.list()?;
        let alive = registry.sessions_alive().map_err(GarbageError::Registry)?;
        let mut last_written = BTreeMap::<SessionId, Timestamp>::new();
        let mut ended = Vec::new();
        for Listed { path, written_at } in listed {
            let finished = finished_name(&path).unwrap_or(&path);
            let Ok(segment) = segment_name(finished).parse::<SegmentName>() else { continue };
            if segment.sealed.is_some() && !alive.contains(&segment.session) {
                let last = last_written.entry(segment.session).or_default();
                *last = written_at.max(*last);
                ended.push((segment.session, segment_name(&path)));
            }
        }
        ended.retain(|(session, _)| last_written.get(session).is_some_and(|last| is_old(*last)));
        if ended.is_empty() {
            return Ok(removed);
        }
        let registered = registry.registered().map_err(GarbageError::Registry)?;
        for (_, name) in ended {
            if !registered.contains(&name) {
                self.remove(&segment_path(&name))?;
                removed.push(name);
            }
        }
        Ok(removed)
    }
}
