//! How far a crawl is.

use frontier::Timestamp;
use frontier::work_queue::{Counts, HostRecord};
use serde::Serialize;

use crate::report::{Entries, Sitemaps, State, rfc3339};
use crate::units::counted;

/// The command that goes on with the crawl of a data directory.
pub const RESUME: &str = "crawl resume";

/// How far a crawl is, as `crawl status --format json` writes it.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// Where it stands.
    pub state: State,
    /// Its hosts by what they wait for.
    pub hosts: HostStates,
    /// Its tasks by state.
    pub tasks: TaskStates,
    /// Its sitemaps by what became of them.
    pub sitemaps: Sitemaps,
    /// The entries.
    pub entries: Entries,
    /// Requests made.
    pub requests: u64,
    /// When the next host that is neither lent nor parked may be asked.
    #[serde(serialize_with = "rfc3339")]
    pub next_due_at: Option<Timestamp>,
    /// What is left to do, and how, in words.
    pub remains: String,
}

/// Hosts by what they wait for: known is the sum of done, parked and pending.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct HostStates {
    /// All of them.
    pub known: u64,
    /// With nothing left to do.
    pub done: u64,
    /// Put aside by the server's wish.
    pub parked: u64,
    /// With something to do.
    pub pending: u64,
    /// When the first of those parked may be asked again.
    #[serde(serialize_with = "rfc3339", skip_serializing_if = "Option::is_none")]
    pub parked_until: Option<Timestamp>,
}

/// Tasks by state: robots.txt and guessed paths are tasks too, and no sitemaps.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct TaskStates {
    /// Ever taken on.
    pub known: u64,
    /// Of them, done.
    pub done: u64,
    /// Of them, still to do.
    pub pending: u64,
}

impl Status {
    /// The status by a queue's totals and hosts, somebody being at work or not.
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

/// Adds up hosts one by one, so that they need not be held at once.
#[derive(Clone, Debug, Default)]
pub struct StatusTally {
    hosts: HostStates,
    sitemaps: Sitemaps,
    entries: Entries,
    pending: u64,
    pending_parked: u64,
}

impl StatusTally {
    /// Adds a host.
    pub fn add(&mut self, host: &HostRecord) {
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

    /// The status. `resumed_by` is the command that goes on with the crawl.
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
        }
    }

    fn remains(&self, state: State, resumed_by: &str) -> String {
        let mut parts = Vec::new();
        if self.hosts.pending > 0 {
            let tasks = counted(self.pending - self.pending_parked, "task");
            let hosts = counted(self.hosts.pending, "host");
            let how = match state {
                State::Running => "being worked on".to_owned(),
                State::Interrupted | State::Complete => format!("`{resumed_by}` goes on"),
            };
            parts.push(format!("{tasks} on {hosts}: {how}"));
        }
        if self.hosts.parked > 0 {
            let hosts = counted(self.hosts.parked, "host");
            let tasks = counted(self.pending_parked, "task");
            let when = self
                .hosts
                .parked_until
                .map_or_else(String::new, |until| format!(", the first until {until}"));
            parts.push(format!(
                "{tasks} on {hosts} that asked to be left alone{when}: `{resumed_by}` asks again then"
            ));
        }
        match (parts.is_empty(), self.hosts.known) {
            (false, _) => parts.join("; "),
            (true, 0) => "nothing: no seed was given yet".to_owned(),
            (true, _) => "nothing".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use frontier::Account;

    use super::*;
    use crate::made_up::{at, host};
    use crate::render::{status_json, status_text};

    fn hosts() -> Vec<HostRecord> {
        let mut done = host("https://a.example");
        done.account = Account { found: 4, fetched: 3, failed: 1, entries: 1_200, ..Account::default() };
        let mut pending = host("https://b.example");
        pending.account =
            Account { found: 2, fetched: 1, pending: 1, robots_pending: true, ..Account::default() };
        let mut parked = host("https://c.example");
        parked.account = Account { found: 5, pending: 5, ..Account::default() };
        parked.parked = true;
        parked.not_before = Some(at(3_600_000));
        vec![done, pending, parked]
    }

    fn counts() -> Counts {
        Counts { tasks: 14, tasks_pending: 7, requests: 9, next_due_at: Some(at(1_000)), ..Counts::default() }
    }

    #[test]
    fn an_interrupted_crawl_says_what_is_left_and_how_to_go_on() {
        let status = Status::new(&counts(), &hosts(), false);
        assert_eq!(status.state, State::Interrupted);
        insta::assert_snapshot!(status_text(&status), @r#"
State     interrupted
Hosts     3: 1 done, 1 pending, 1 parked
Tasks     14: 7 done, 7 pending
Sitemaps  11 found: 4 fetched, 1 failed, 6 pending
Entries   1,200 kept
Requests  9
Next      a host may be asked from 2026-09-21T14:13:21.000000Z on
Left      2 tasks on 1 host: `crawl resume` goes on; 5 tasks on 1 host that
          asked to be left alone, the first until 2026-09-21T15:13:20.000000Z:
          `crawl resume` asks again then
"#);
    }

    #[test]
    fn what_goes_on_with_a_shared_crawl_is_named_as_it_is() {
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
            status.remains.starts_with("5 tasks on 1 host that asked to be left alone"),
            "{}",
            status.remains
        );
    }

    #[test]
    fn a_running_crawl_is_running_and_an_empty_one_has_nothing_left() {
        assert_eq!(Status::new(&counts(), &hosts(), true).state, State::Running);
        let empty = Status::new(&Counts::default(), [], false);
        assert_eq!(
            (empty.state, empty.remains.as_str()),
            (State::Complete, "nothing: no seed was given yet")
        );
        assert_eq!(Status::new(&counts(), [&hosts()[0]], false).remains, "nothing");
    }

    #[test]
    fn json_has_hosts_tasks_and_entries() {
        let status = Status::new(&counts(), &hosts(), false);
        let json = crate::made_up::json(|out| status_json(&status, out));
        assert_eq!(json["state"], "interrupted");
        assert_eq!(json["hosts"]["known"], 3);
        assert_eq!(json["tasks"], serde_json::json!({"known": 14, "done": 7, "pending": 7}));
        assert_eq!(json["entries"]["kept"], 1_200);
        assert_eq!(json["next_due_at"], at(1_000).to_string());
    }
}
