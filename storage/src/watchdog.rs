//! Detects a database that hangs. A damaged sled database can loop forever without returning an error.

use std::cell::Cell;
use std::panic::Location;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use crate::data_dir::error::OpenError;

/// Interval between two checks.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Checks without progress after which a database counts as hanging.
const CHECKS_MAX: u64 = 10;

/// One more check is allowed for this many bytes of a database that is being opened. Measured: opening reads three
/// times as many bytes per second.
const OPENED_BYTES_PER_CHECK: u64 = 100 << 20;

/// The folder that cargo puts the sources of sled in.
const SLED_FOLDER: &str = "sled-0.34.7";

/// All databases that are open or being opened.
static WATCHED: Mutex<Vec<Weak<Watched>>> = Mutex::new(Vec::new());

thread_local! {
    static IS_GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Starts a thread that checks every database of this process. It calls `on_stall`, which should end the process,
/// when a call of a database has taken 10 s. Opening a large database may take longer.
pub fn watch_for_stalls(on_stall: impl Fn(&OpenError) + Send + 'static) {
    let thread = std::thread::Builder::new().name("watchdog".to_owned());
    // If the thread cannot be started, a damaged database may hang unnoticed. Nothing else changes.
    let _ = thread.spawn(move || {
        loop {
            std::thread::sleep(CHECK_INTERVAL);
            let watched: Vec<Arc<Watched>> = all().iter().filter_map(Weak::upgrade).collect();
            for stalled in watched.iter().filter(|watched| watched.is_stalled()) {
                let reason = format!("its database has made no progress for {CHECKS_MAX} s");
                on_stall(&OpenError::Damaged { path: stalled.dir.clone(), reason });
            }
        }
    });
}

/// Whether a panic at `place` comes from the database: from a call, where it is caught and becomes an error, or from a
/// thread of the database, where it ends in such an error or in a stall.
pub fn is_database_panic(place: Option<&Location<'_>>) -> bool {
    IS_GUARDED.get() || place.is_some_and(|place| is_source_of_sled(Path::new(place.file())))
}

/// Whether a source file belongs to the release of sled that we use. The folders of others may be called after sled too.
fn is_source_of_sled(file: &Path) -> bool {
    let mut folders = file.components().map(|folder| folder.as_os_str());
    folders.any(|folder| folder == SLED_FOLDER) && folders.next().is_some_and(|folder| folder == "src")
}

/// A database that is checked for progress.
pub(crate) struct Watched {
    dir: PathBuf,
    /// Number of checks that a call may last.
    checks_max: u64,
    /// Number of calls started plus calls ended. It is odd during a call, because one thread makes all calls.
    steps: AtomicU64,
    /// The value of `steps` at the last check, and the number of earlier checks that found the same value.
    seen: Mutex<(u64, u64)>,
}

impl Watched {
    /// Starts to check the database in `dir`. `opened_bytes` is its size if it is being opened, or else 0.
    pub(crate) fn new(dir: &Path, opened_bytes: u64) -> Arc<Self> {
        let checks_max = CHECKS_MAX + opened_bytes / OPENED_BYTES_PER_CHECK;
        let (steps, seen) = (AtomicU64::new(0), Mutex::default());
        let watched = Arc::new(Self { dir: dir.to_owned(), checks_max, steps, seen });
        let mut all = all();
        all.retain(|other| other.strong_count() > 0);
        all.push(Arc::downgrade(&watched));
        watched
    }

    /// Runs a call of the database.
    pub(crate) fn call<T>(&self, work: impl FnOnce() -> T) -> T {
        let _call = Call::begin(self);
        work()
    }

    fn is_stalled(&self) -> bool {
        let step = self.steps.load(Ordering::Relaxed);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        *seen = if seen.0 == step { (step, seen.1 + 1) } else { (step, 0) };
        step % 2 == 1 && seen.1 >= self.checks_max
    }
}

/// A call of the database. It ends on drop, also in a panic.
struct Call<'a> {
    watched: &'a Watched,
    was_guarded: bool,
}

impl<'a> Call<'a> {
    fn begin(watched: &'a Watched) -> Self {
        watched.steps.fetch_add(1, Ordering::Relaxed);
        Self { watched, was_guarded: IS_GUARDED.replace(true) }
    }
}

impl Drop for Call<'_> {
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
    fn only_the_sources_of_the_database_are_taken_for_it() {
        let lock = include_str!("../../Cargo.lock");
        let version = SLED_FOLDER.strip_prefix("sled-").unwrap();
        assert!(
            lock.contains(&format!("name = \"sled\"\nversion = \"{version}\"\n")),
            "it has another version"
        );
        let of_cargo = "/home/a/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/sled-0.34.7/src/db.rs";
        assert!(is_source_of_sled(of_cargo.as_ref()));
        for other in
            ["/home/a/sled-crawler/src/main.rs", "/home/a/bobsled-0.34.7/src/main.rs", "sled-0.34.7.rs"]
        {
            assert!(!is_source_of_sled(other.as_ref()), "{other}");
        }
    }

    #[test]
    fn a_call_that_does_not_end_is_a_stall_and_many_short_ones_are_not() {
        let watched = Watched::new("queue".as_ref(), 0);
        let checks = |n: u64| (0..n).map(|_| watched.is_stalled()).collect::<Vec<_>>();
        assert!(!checks(2 * CHECKS_MAX).contains(&true), "it is idle");
        for _ in 0..2 * CHECKS_MAX {
            let _call = Call::begin(&watched);
            assert!(!watched.is_stalled());
        }
        let _call = Call::begin(&watched);
        assert_eq!(checks(CHECKS_MAX + 1).iter().position(|is_stalled| *is_stalled), Some(10));
    }
}
