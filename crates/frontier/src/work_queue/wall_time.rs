//! When a host has something to do, since when it is due, and for how long it kept the crawl busy.
//!
//! Every queue and every reader does this arithmetic through here, so that their figures agree.

use super::{HostRecord, Session, SessionRecord};
use crate::timestamp::Timestamp;

impl HostRecord {
    /// Whether it has something to do in this crawl: a task unfinished, and not put aside.
    pub fn is_busy(&self) -> bool {
        self.account.unfinished() > 0 && !self.parked
    }

    /// Since when it may be lent, or from when on: what [`super::WorkQueue::lease`] orders by.
    ///
    /// The later of `not_before` and of the moment that gave it something to do.
    pub fn due_at(&self) -> Timestamp {
        let busy_since = self.busy_since.map(|(_, since)| since);
        self.not_before.max(busy_since).unwrap_or_default()
    }

    /// Starts or stops its time where it became busy or ceased to be.
    ///
    /// To be called after every change of `account` or `parked`, with the number of the session that brought the
    /// change, the present moment, and the sessions so far.
    pub fn keep_time(&mut self, session: u32, now: Timestamp, sessions: &[SessionRecord]) {
        match self.busy_since {
            None if self.is_busy() => self.busy_since = Some((session, now)),
            Some(since) if !self.is_busy() => {
                self.wall_us = self.wall_us.saturating_add(busy_us(since, (session, now), sessions));
                self.busy_since = None;
            }
            _ => {}
        }
    }

    /// Its wall time up to `until`, a session's number and a moment of that session; in microseconds.
    pub fn wall_us_at(&self, until: (u32, Timestamp), sessions: &[SessionRecord]) -> u64 {
        self.wall_us + self.busy_since.map_or(0, |since| busy_us(since, until, sessions))
    }

    /// Whether a session before this one, or beside it, may have asked the host and told nobody.
    ///
    /// A request that left just before a crash is on no disk. A host that had something to do when this session
    /// began, or whose rules were fetched before, may have been asked at the last moment of the one before.
    pub fn asked_before(&self, session: &Session) -> bool {
        let was_busy = self.busy_since.is_some_and(|(number, _)| number != session.number);
        was_busy || self.robots.as_ref().is_some_and(|robots| robots.fetched_at < session.started_at)
    }
}

/// The crawl's wall time between two moments, each with the number of its session, in microseconds.
///
/// Of the first session the part up to its last commit counts, of the last one the part since its start, of those
/// between all from start to last commit, and the pauses between sessions do not count. Moments are subtracted
/// within one session only: between two of them the wall clock may have been set.
pub fn busy_us(since: (u32, Timestamp), until: (u32, Timestamp), sessions: &[SessionRecord]) -> u64 {
    let mut sum_us = 0_u64;
    for record in sessions.iter().filter(|record| (since.0..=until.0).contains(&record.session.number)) {
        let number = record.session.number;
        let start = if number == since.0 { since.1 } else { record.session.started_at };
        let end = if number == until.0 { until.1 } else { record.last_commit_at };
        sum_us = sum_us.saturating_add(u64::try_from(end.since(start).as_micros()).unwrap_or(u64::MAX));
    }
    sum_us
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fetch_record::SessionId;
    use crate::work_queue::Usage;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    fn session(number: u32, started_s: i64, last_commit_s: i64) -> SessionRecord {
        let session = Session { id: SessionId(u128::from(number)), number, started_at: at(started_s) };
        SessionRecord { session, last_commit_at: at(last_commit_s), commit_seq: 1, usage: Usage::default() }
    }

    #[test]
    fn within_a_session_busy_time_is_a_plain_difference() {
        assert_eq!(busy_us((0, at(3)), (0, at(10)), &[session(0, 0, 8)]), 7_000_000);
    }

    #[test]
    fn pauses_between_sessions_do_not_count_and_sessions_between_count_in_full() {
        let sessions = [session(0, 0, 10), session(1, 100, 120), session(2, 1_000, 1_000)];
        assert_eq!(busy_us((0, at(4)), (2, at(1_003)), &sessions), (6 + 20 + 3) * 1_000_000);
    }

    #[test]
    fn a_clock_set_back_between_sessions_takes_nothing_away() {
        let sessions = [session(0, 5_000, 5_010), session(1, 100, 100)];
        assert_eq!(busy_us((0, at(5_004)), (1, at(107)), &sessions), (6 + 7) * 1_000_000);
    }

    #[test]
    fn a_host_that_became_busy_after_the_last_commit_counts_from_the_next_start() {
        let sessions = [session(0, 0, 10), session(1, 20, 20)];
        assert_eq!(busy_us((0, at(12)), (1, at(25)), &sessions), 5_000_000);
    }
}
