//! What the schedule is doing, in numbers.

use crate::timestamp::Timestamp;

use super::{HostEntry, Schedule};

/// Number of leased hosts by what they wait for. Each host counts once.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct WaitingFor {
    /// The answer to a request in flight.
    pub answer: usize,
    /// A free worker.
    pub slot: usize,
    /// The politeness delay between two requests, or the other requests to its site.
    pub pace: usize,
    /// The end of a cooldown that the server asked for.
    pub cooldown: usize,
    /// The backoff before a retry.
    pub retry: usize,
    /// Tasks from the work queue.
    pub tasks: usize,
}

impl Schedule {
    /// Number of hosts.
    pub fn hosts(&self) -> usize {
        self.hosts.len()
    }

    /// Number of requests and skips not settled yet.
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Whether the schedule has no host.
    pub fn is_empty(&self) -> bool {
        self.hosts.is_empty()
    }

    /// Counts the hosts by what they wait for, for the progress line. Visits every host.
    pub fn waiting_for(&self, now: Timestamp) -> WaitingFor {
        let mut waiting = WaitingFor::default();
        for (_, HostEntry { queue, choice, waits_for_site, .. }) in &self.hosts {
            let reason = match choice {
                _ if queue.in_flight() > 0 => &mut waiting.answer,
                None if queue.waits_for_address() => &mut waiting.pace,
                None => &mut waiting.tasks,
                Some(_) if *waits_for_site => &mut waiting.pace,
                Some(choice) if choice.permitted_at <= now => &mut waiting.slot,
                Some(choice) if queue.waits_for_retry(*choice) => &mut waiting.retry,
                Some(_) if queue.is_cooling_down(now) => &mut waiting.cooldown,
                Some(_) => &mut waiting.pace,
            };
            *reason += 1;
        }
        waiting
    }
}
