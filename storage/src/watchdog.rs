//! Ends a process whose database hangs: a damaged sled can spin for ever, with an error for nobody.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use crate::data_dir::OpenError;

/// How often it looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Looks without progress after which a database hangs.
const LOOKS_MAX: u64 = 10;

/// Bytes of a database for which opening may take a look more; it was measured at three times that.
const OPENED_BYTES_PER_LOOK: u64 = 100 << 20;

/// All databases that are open or being opened.
static WATCHED: Mutex<Vec<Weak<Watched>>> = Mutex::new(Vec::new());

thread_local! {
    static IS_GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Begins to watch every database of this process; `on_stall` is told when one makes no progress for 10 s, or for as much
/// longer as opening a large one takes, and is to end the process.
pub fn watch_for_stalls(on_stall: impl Fn(&OpenError) + Send + 'static) {
    let thread = std::thread::Builder::new().name("watchdog".to_owned());
    // Without it a damaged database may hang; all else is as it was.
    let _ = thread.spawn(move || {
        loop {
            std::thread::sleep(LOOK_EVERY);
            let watched: Vec<Arc<Watched>> = all().iter().filter_map(Weak::upgrade).collect();
            for stalled in watched.iter().filter(|watched| watched.is_stalled()) {
                let what = format!("its database makes no progress for {LOOKS_MAX} s");
                on_stall(&OpenError::Damaged { path: stalled.dir.clone(), what });
            }
        }
    });
}

/// Whether this thread is within a call of the database: a panic there is caught, and becomes an error.
pub fn is_guarded() -> bool {
    IS_GUARDED.get()
}

/// A database that is watched.
pub(crate) struct Watched {
    dir: PathBuf,
    /// Looks that a call may take.
    looks_max: u64,
    /// Calls begun and calls ended: odd within a call, since one thread makes them all.
    steps: AtomicU64,
    /// The step at the last look, and how often it was seen.
    seen: Mutex<(u64, u64)>,
}

impl Watched {
    /// Watches the database in `dir`, which has so many bytes if it is being opened.
    pub(crate) fn new(dir: &Path, opened_bytes: u64) -> Arc<Self> {
        let looks_max = LOOKS_MAX + opened_bytes / OPENED_BYTES_PER_LOOK;
        let (steps, seen) = (AtomicU64::new(0), Mutex::default());
        let watched = Arc::new(Self { dir: dir.to_owned(), looks_max, steps, seen });
        let mut all = all();
        all.retain(|other| other.strong_count() > 0);
        all.push(Arc::downgrade(&watched));
        watched
    }

    /// Makes a call.
    pub(crate) fn call<T>(&self, work: impl FnOnce() -> T) -> T {
        let _step = Step::begin(self);
        work()
    }

    fn is_stalled(&self) -> bool {
        let step = self.steps.load(Ordering::Relaxed);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        *seen = if seen.0 == step { (step, seen.1 + 1) } else { (step, 0) };
        step % 2 == 1 && seen.1 >= self.looks_max
    }
}

/// A call; ends when dropped, by a panic too.
struct Step<'a> {
    watched: &'a Watched,
    was_guarded: bool,
}

impl<'a> Step<'a> {
    fn begin(watched: &'a Watched) -> Self {
        watched.steps.fetch_add(1, Ordering::Relaxed);
        Self { watched, was_guarded: IS_GUARDED.replace(true) }
    }
}

impl Drop for Step<'_> {
    fn drop(&mut self) {
        IS_GUARDED.set(self.was_guarded);
        self.watched.steps.fetch_add(1, Ordering::Relaxed);
    }
}

fn all() -> std::sync::MutexGuard<'static, Vec<Weak<Watched>>> {
    WATCHED.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_does_not_end_is_a_stall_and_many_short_ones_are_not() {
        let watched = Watched::new("queue".as_ref(), 0);
        let looks = |n: u64| (0..n).map(|_| watched.is_stalled()).collect::<Vec<_>>();
        assert!(!looks(2 * LOOKS_MAX).contains(&true), "it is idle");
        for _ in 0..2 * LOOKS_MAX {
            let _step = Step::begin(&watched);
            assert!(!watched.is_stalled());
        }
        let _step = Step::begin(&watched);
        assert_eq!(looks(LOOKS_MAX + 1).iter().position(|is_stalled| *is_stalled), Some(10));
    }
}
