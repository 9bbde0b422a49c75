//! Keeps a crawl within the number of files and connections that the system lets this process open.

use rustix::process::{Resource, getrlimit};

use crate::settings::Settings;

/// Descriptors for everything except requests: the standard streams, the queue, the segments, the runtime.
const RESERVED: usize = 32;

/// Descriptors of a request in flight in addition to its connection: one is needed while its name is resolved, or while
/// two addresses are tried at the same time.
const PER_REQUEST: usize = 1;

/// Descriptors that a crawl with these numbers of requests in flight wants. With fewer, fewer requests are in flight.
pub fn descriptors_wanted(concurrency: usize, host_concurrency: usize) -> usize {
    RESERVED + concurrency * (PER_REQUEST + 1 + host_concurrency)
}

/// Fits `settings` into the limit on open files (RLIMIT_NOFILE), and logs if `concurrency` had to be lowered.
pub(crate) fn fit(settings: &mut Settings) {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let for_requests = limit.saturating_sub(RESERVED);
    let requested = settings.concurrency;
    // As many descriptors again are left for idle connections. Without them every request would need a new connection.
    settings.concurrency = requested.min(for_requests / (PER_REQUEST + 2)).max(1);
    let for_connections = for_requests.saturating_sub(settings.concurrency * PER_REQUEST);
    settings.connections_max = for_connections.clamp(1, requested);
    if settings.concurrency < requested {
        let concurrency = settings.concurrency;
        tracing::warn!(
            concurrency,
            "only {limit} files may be open at once (ulimit -n): the number of requests in flight is lowered"
        );
    }
}
