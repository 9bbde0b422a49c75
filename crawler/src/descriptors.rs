//! How many files and connections the system lets this process have open, and what of it a crawl may use.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::settings::Settings;

/// Descriptors for everything but requests: the standard streams, the queue, the segments, the runtime.
const OURS: usize = 32;

/// Descriptors of a request in flight besides its connection: while its name is looked up, or two addresses are tried at
/// once.
const PER_REQUEST: usize = 1;

/// Brings `settings` within what may be open at once (RLIMIT_NOFILE), which is raised first as far as the system lets us;
/// gives the limit if `--concurrency` had to be lowered for it.
pub fn fit(settings: &mut Settings) -> Option<usize> {
    let wanted = OURS + settings.concurrency * (PER_REQUEST + 1 + settings.host_concurrency);
    let limit = raised_to(wanted);
    let for_requests = limit.saturating_sub(OURS);
    let asked = settings.concurrency;
    // As many again stay for idle connections, without which every request would begin with a new one.
    settings.concurrency = asked.min(for_requests / (PER_REQUEST + 2)).max(1);
    let for_connections = for_requests.saturating_sub(settings.concurrency * PER_REQUEST);
    settings.connections_max = for_connections.clamp(1, asked);
    (settings.concurrency < asked).then_some(limit)
}

/// The limit, raised to `wanted` where it is lower and may be.
fn raised_to(wanted: usize) -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = wanted as u64;
    let Some(soft) = current.filter(|soft| *soft < wanted) else { return wanted as usize };
    let raised = maximum.map_or(wanted, |hard| hard.min(wanted));
    let is_raised = setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum }).is_ok();
    usize::try_from(if is_raised { raised } else { soft }).unwrap_or(usize::MAX)
}
