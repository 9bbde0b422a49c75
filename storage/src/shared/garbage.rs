//! Files that nobody registered and nobody can register any more.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use frontier::{SessionId, Timestamp};

use super::store::{PlaceError, SegmentStore, segment_path};
use crate::segment::name::SegmentName;

/// A session that wrote a file within this span has no garbage, whatever else is known of it: readers may still be at what it
/// replaced.
pub const GARBAGE_AGE_MIN: Duration = Duration::from_secs(24 * 3600);

/// What the queue knows, asked in the order in which it is used.
pub trait Registry {
    /// Why the queue could not be asked.
    type Error;

    /// The sessions that may still register segments.
    fn sessions_alive(&mut self) -> Result<BTreeSet<SessionId>, Self::Error>;

    /// The names of all registered segments.
    fn registered(&mut self) -> Result<BTreeSet<String>, Self::Error>;
}

/// Why garbage could not be removed.
#[derive(Debug, thiserror::Error)]
pub enum GarbageError<E> {
    /// The queue could not be asked.
    #[error(transparent)]
    Registry(E),
    /// The place failed.
    #[error(transparent)]
    Store(#[from] PlaceError),
}

impl SegmentStore {
    /// Removes what is garbage at `now`, by the clock of the place or nearly so; gives the names.
    ///
    /// A file is garbage when its session is gone and wrote nothing for [`GARBAGE_AGE_MIN`], and it is not registered.
    /// Asked in this order that is free of races: a session that is gone never comes back, so what it has not registered
    /// by then it never will, and what it replaced was replaced before its last file was that old. Files whose names are not
    /// ours are left alone.
    pub fn remove_garbage<R: Registry>(
        &self,
        registry: &mut R,
        now: Timestamp,
    ) -> Result<Vec<String>, GarbageError<R::Error>> {
        let listed = self.list()?;
        let alive = registry.sessions_alive().map_err(GarbageError::Registry)?;
        let mut last_written = BTreeMap::<SessionId, Timestamp>::new();
        let mut dead = Vec::new();
        for file in listed {
            let Ok(name) = file.path.replacen('/', "-", 1).parse::<SegmentName>() else { continue };
            if name.sealed.is_some() && !alive.contains(&name.session) {
                let last = last_written.entry(name.session).or_default();
                *last = file.written_at.max(*last);
                dead.push(name);
            }
        }
        dead.retain(|name| last_written.get(&name.session).is_some_and(|last| *last + GARBAGE_AGE_MIN < now));
        let mut garbage: Vec<String> = dead.iter().map(SegmentName::to_string).collect();
        if garbage.is_empty() {
            return Ok(garbage);
        }
        let registered = registry.registered().map_err(GarbageError::Registry)?;
        garbage.retain(|name| !registered.contains(name));
        for name in &garbage {
            self.remove(&segment_path(name))?;
        }
        Ok(garbage)
    }
}
