//! Raises the limit on open files of this process.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the limit on open files (RLIMIT_NOFILE) to `wanted` if it is lower and the system allows that.
pub fn raise_limit(wanted: usize) {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = wanted as u64;
    if current.is_some_and(|soft| soft < wanted) {
        let raised = maximum.map_or(wanted, |hard| hard.min(wanted));
        // If this fails, fewer requests are in flight.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum });
    }
}
