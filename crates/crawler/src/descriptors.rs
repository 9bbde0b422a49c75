//! How many files and connections the system lets this process have open, and what of it a crawl may use.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::settings::Settings;

/// Descriptors for everything but requests: the standard streams, the queue, the segments, the runtime.
const OURS: usize = 32;

/// Descriptors of a request in flight: its connection, and a second one while two addresses are tried at once or a large
/// document lies under `tmp/`.
const PER_REQUEST: usize = 2;

/// Brings `settings` within what may be open at once (RLIMIT_NOFILE), which is raised first as far as the system lets us;
/// gives the limit if `--concurrency` had to be lowered for it.
pub fn fit(settings: &mut Settings) -> Option<usize> {
    let wanted = OURS + settings.concurrency * (PER_REQUEST + settings.host_concurrency);
    let limit = raised_to(wanted);
    let for_requests = limit.saturating_sub(OURS);
    let asked = settings.concurrency;
    // As many again stay for idle connections, without which every request would begin with a new one.
    settings.concurrency = asked.min(for_requests / (PER_REQUEST + 1)).max(1);
    let idle = for_requests.saturating_sub(settings.concurrency * PER_REQUEST);
    settings.clients_max = (idle / settings.host_concurrency).clamp(1, asked);
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
