//! The host that ended last: nothing shortens a crawl that does not shorten it.

use std::collections::HashMap;

use frontier::{FetchRecord, HostId, SessionId, Stage, Stages, Timestamp};

use super::host_table::{add_stages, is_retry, micros, network_us};

/// The stages of the host that ended last, session by session.
///
/// Each session has a wall time of its own and so a last host of its own; their lines are added as the wall times
/// are. Records come in the order of their sessions, so one session's hosts are held at a time.
#[derive(Clone, Debug, Default)]
pub(crate) struct CriticalLine {
    session: Option<SessionId>,
    hosts: HashMap<HostId, HostLine>,
    lines: Vec<Line>,
}

/// What a host did in the session at hand.
#[derive(Clone, Debug, Default)]
struct HostLine {
    ended_at: Timestamp,
    stages: Stages,
    requests: u64,
    timeouts: u64,
    timeouts_us: u64,
    retries_us: u64,
}

/// The line of the host that ended last in one session, or of all sessions.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    /// The host; of several sessions, the one with the longest line.
    pub(crate) host: HostId,
    /// Sessions whose lines are added up here.
    pub(crate) sessions: u64,
    /// Where its time went.
    pub(crate) stages: Stages,
    /// Its requests.
    pub(crate) requests: u64,
    /// Of them, those that timed out.
    pub(crate) timeouts: u64,
    /// The network's time of those, in microseconds.
    pub(crate) timeouts_us: u64,
    /// What politeness withheld of tries after the first, in microseconds.
    pub(crate) retries_us: u64,
}

impl CriticalLine {
    pub(crate) fn add(&mut self, fetch: &FetchRecord) {
        if self.session != Some(fetch.session) {
            self.end_session();
            self.session = Some(fetch.session);
        }
        let host = self.hosts.entry(fetch.task.host).or_default();
        let span = std::time::Duration::from_micros(fetch.stages.total_us());
        host.ended_at = host.ended_at.max(fetch.begun_at + span);
        host.requests += 1;
        if fetch.error == Some(frontier::ErrorKind::Timeout) {
            host.timeouts += 1;
            host.timeouts_us = host.timeouts_us.saturating_add(network_us(fetch));
        }
        if is_retry(fetch) {
            host.retries_us = host.retries_us.saturating_add(fetch.stages[Stage::Politeness]);
        }
        add_stages(&mut host.stages, &fetch.stages);
    }

    /// The lines of all sessions in one; `None` without a request.
    pub(crate) fn finish(mut self) -> Option<Line> {
        self.end_session();
        let longest = self.lines.iter().max_by_key(|line| line.stages.total_us())?.host;
        self.lines
            .into_iter()
            .reduce(|mut sum, line| {
                add_stages(&mut sum.stages, &line.stages);
                sum.sessions += line.sessions;
                sum.requests += line.requests;
                sum.timeouts += line.timeouts;
                sum.timeouts_us = sum.timeouts_us.saturating_add(line.timeouts_us);
                sum.retries_us = sum.retries_us.saturating_add(line.retries_us);
                sum
            })
            .map(|sum| Line { host: longest, ..sum })
    }

    fn end_session(&mut self) {
        // The identity settles ties, so that the same records always name the same host.
        let last = self.hosts.drain().max_by_key(|(id, host)| (host.ended_at, *id));
        self.lines.extend(last.map(|(host, line)| Line {
            host,
            sessions: 1,
            stages: line.stages,
            requests: line.requests,
            timeouts: line.timeouts,
            timeouts_us: line.timeouts_us,
            retries_us: line.retries_us,
        }));
    }
}

/// A session's length in microseconds, from its start to its last commit.
pub(crate) fn session_us(session: &frontier::work_queue::SessionRecord) -> u64 {
    micros(session.last_commit_at.since(session.session.started_at))
}
