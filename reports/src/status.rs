//! The status of a crawl: how far it is.

use frontier::Timestamp;
use frontier::work_queue::{Counts, HostRecord};
use serde::Serialize;

use crate::figures::{Entries, Sitemaps, State, rfc3339};
use crate::units::counted;

/// The command that continues the crawl in a data directory.
pub const RESUME: &str = "crawl resume";

/// The status of a crawl, as `crawl status --format json` writes it.
///
/// ```
/// use frontier::work_queue::{Counts, HostRecord};
/// use frontier::{Host, TaskKind};
/// use reports::{State, Status};
///
/// let host = Host::of(&"https://a.example".parse()?).ok_or("it has no host")?;
/// let mut record = HostRecord { is_site: true, ..HostRecord::new(host) };
/// record.account.take_on(TaskKind::Sitemap);
/// let counts = Counts { hosts: 1, tasks: 1, tasks_pending: 1, ..Counts::default() };
///
/// let status = Status::new(&counts, [&record], false);
/// assert_eq!(status.state, State::Interrupted);
/// assert_eq!(status.remains, "1 task on 1 host: `crawl resume` continues them");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// State of the crawl.
    pub state: State,
    /// Hosts by state.
    pub hosts: HostStates,
    /// Tasks by state.
    pub tasks: TaskStates,
    /// Sitemaps by outcome.
    pub sitemaps: Sitemaps,
    /// Entries kept and dropped.
    pub entries: Entries,
    /// Requests made.
    pub requests: u64,
    /// Earliest moment at which a host that is neither leased nor parked is due.
    #[serde(serialize_with = "rfc3339")]
    pub next_due_at: Option<Timestamp>,
    /// The work that is left and how to continue it, as text.
    pub remains: String,
    /// What is wrong with the running crawl although it goes on, as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// Hosts by state: `known` is the sum of `done`, `parked` and `pending`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct HostStates {
    /// All hosts.
    pub known: u64,
    /// Hosts with no unfinished tasks.
    pub done: u64,
    /// Hosts parked because the server asked for a long pause.
    pub parked: u64,
    /// Hosts with unfinished tasks that are not parked.
    pub pending: u64,
    /// End of the shortest pause among the parked hosts.
    #[serde(serialize_with = "rfc3339", skip_serializing_if = "Option::is_none")]
    pub parked_until: Option<Timestamp>,
}

/// Tasks by state. They include requests for robots.txt and guessed paths, which do not count as sitemaps.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct TaskStates {
    /// All tasks ever accepted.
    pub known: u64,
    /// Finished tasks.
    pub done: u64,
    /// Unfinished tasks.
    pub pending: u64,
}

impl Status {
    /// The status of a crawl, given its queue's totals, its hosts, and whether a worker is running.
    pub fn new<'a>(
        counts: &Counts,
        hosts: impl IntoIterator<Item = &'a HostRecord>,
        is_running: bool,
    ) -> Self {
        let mut tally = StatusTally::default();
        for host in hosts {
            tally.add(host);
        }
        tally.finish(counts, is_running, RESUME)
    }
}

/// Adds up hosts one by one, so that they need not all be in memory at the same time.
#[derive(Clone, Debug, Default)]
pub(crate) struct StatusTally {
    hosts: HostStates,
    sitemaps: Sitemaps,
    entries: Entries,
    pending: u64,
    pending_parked: u64,
}

impl StatusTally {
    /// Adds a host. One that is no site ([`HostRecord::is_site`]) is left out.
    pub fn add(&mut self, host: &HostRecord) {
        if !host.is_site {
            return;
        }
        self.hosts.known += 1;
        if host.parked {
            self.hosts.parked += 1;
            self.hosts.parked_until = [self.hosts.parked_until, host.not_before].into_iter().flatten().min();
            self.pending_parked += host.account.unfinished();
        } else if host.is_busy() {
            self.hosts.pending += 1;
        } else {
            self.hosts.done += 1;
        }
        self.pending += host.account.unfinished();
        self.sitemaps.add(&host.account);
        self.entries.add(&host.account);
    }

    /// Returns the status. `resumed_by` is the command that continues the crawl.
    pub fn finish(self, counts: &Counts, is_running: bool, resumed_by: &str) -> Status {
        let state = State::of(self.hosts.pending > 0, is_running);
        Status {
            state,
            remains: self.remains(state, resumed_by),
            tasks: TaskStates {
                known: counts.tasks,
                done: counts.tasks.saturating_sub(self.pending),
                pending: self.pending,
            },
            hosts: self.hosts,
            sitemaps: self.sitemaps,
            entries: self.entries,
            requests: counts.requests,
            next_due_at: counts.next_due_at,
            problem: None,
        }
    }

    fn remains(&self, state: State, resumed_by: &str) -> String {
        let mut parts = Vec::new();
        if self.hosts.pending > 0 {
            let tasks = counted(self.pending - self.pending_parked, "task");
            let hosts = counted(self.hosts.pending, "host");
            let how = match state {
                State::Running => "in progress".to_owned(),
                State::Interrupted | State::Complete => format!("`{resumed_by}` continues them"),
            };
            parts.push(format!("{tasks} on {hosts}: {how}"));
        }
        if self.hosts.parked > 0 {
            let hosts = counted(self.hosts.parked, "parked host");
            let tasks = counted(self.pending_parked, "task");
            let when = self
                .hosts
                .parked_until
                .map_or_else(String::new, |until| format!(" (the first until {until})"));
            parts.push(format!("{tasks} on {hosts}{when}: run `{resumed_by}` after that"));
        }
        match (parts.is_empty(), self.hosts.known) {
            (false, _) => parts.join("; "),
            (true, 0) => "nothing: no seeds yet".to_owned(),
            (true, _) => "nothing".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::records::at;
    use crate::fixture::small_crawl::{counts, hosts};

    #[test]
    fn the_command_that_continues_a_shared_crawl_is_named() {
        let mut tally = StatusTally::default();
        hosts().iter().for_each(|host| tally.add(host));
        let remains = tally.finish(&counts(), false, "crawl work").remains;
        assert_eq!(remains.matches("`crawl work`").count(), 2, "{remains}");
        assert!(!remains.contains("resume"), "{remains}");
    }

    #[test]
    fn a_crawl_whose_last_hosts_are_parked_is_complete_for_now() {
        let status = Status::new(&counts(), [&hosts()[0], &hosts()[2]], false);
        assert_eq!(status.state, State::Complete);
        assert_eq!(
            status.hosts,
            HostStates { known: 2, done: 1, parked: 1, pending: 0, parked_until: Some(at(3_600_000)) }
        );
        assert!(
            status.remains.starts_with("5 tasks on 1 parked host (the first until "),
            "{}",
            status.remains
        );
    }

    #[test]
    fn a_running_crawl_is_running_and_an_empty_one_has_nothing_left() {
        assert_eq!(Status::new(&counts(), &hosts(), true).state, State::Running);
        let empty = Status::new(&Counts::default(), [], false);
        assert_eq!((empty.state, empty.remains.as_str()), (State::Complete, "nothing: no seeds yet"));
        assert_eq!(Status::new(&counts(), [&hosts()[0]], false).remains, "nothing");
    }
}
