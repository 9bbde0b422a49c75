//! Keeps a crawl within the number of files and connections that the system lets this process open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::settings::Settings;

/// Descriptors for everything except requests: the standard streams, the queue, the segments, the runtime.
const RESERVED: usize = 32;

/// Descriptors of a request in flight in addition to its connection: one is needed while its name is resolved, or while
/// two addresses are tried at the same time.
const PER_REQUEST: usize = 1;

/// Fits `settings` into the limit on open files (RLIMIT_NOFILE), after raising that limit as far as the system allows.
/// Returns the limit if `--concurrency` had to be lowered.
pub fn fit(settings: &mut Settings) -> Option<usize> {
    let wanted = RESERVED + settings.concurrency * (PER_REQUEST + 1 + settings.host_concurrency);
    let limit = raise_limit(wanted);
    let for_requests = limit.saturating_sub(RESERVED);
    let requested = settings.concurrency;
    // As many descriptors again are left for idle connections. Without them every request would need a new connection.
    settings.concurrency = requested.min(for_requests / (PER_REQUEST + 2)).max(1);
    let for_connections = for_requests.saturating_sub(settings.concurrency * PER_REQUEST);
    settings.connections_max = for_connections.clamp(1, requested);
    (settings.concurrency < requested).then_some(limit)
}

/// The limit on open files, raised to `wanted` if it is lower and the system allows that.
fn raise_limit(wanted: usize) -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = wanted as u64;
    let Some(soft) = current.filter(|soft| *soft < wanted) else { return wanted as usize };
    let raised = maximum.map_or(wanted, |hard| hard.min(wanted));
    let is_raised = setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum }).is_ok();
    usize::try_from(if is_raised { raised } else { soft }).unwrap_or(usize::MAX)
}
