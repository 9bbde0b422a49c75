//! When a host has something to do, since when it is due, and for how long it kept the crawl busy.
//!
//! Every queue and every reader does this arithmetic through here, so that their figures agree.

use std::time::Duration;

use super::{HostRecord, Release, Session, SessionRecord};
use crate::bounds::RETRY_AFTER_MAX;
use crate::politeness::CRAWL_DELAY_MAX;
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
        self.keep(session, now, |since| busy_us(since, (session, now), sessions));
    }

    /// The same in a crawl of many machines, whose sessions run beside each other.
    pub fn keep_shared_time(&mut self, session: u32, now: Timestamp, sessions: &[SessionRecord]) {
        self.keep(session, now, |since| shared_busy_us(since.1, (session, now), sessions));
    }

    fn keep(&mut self, session: u32, now: Timestamp, busy_us: impl FnOnce((u32, Timestamp)) -> u64) {
        match self.busy_since {
            None if self.is_busy() => self.busy_since = Some((session, now)),
            Some(since) if !self.is_busy() => {
                self.wall_us = self.wall_us.saturating_add(busy_us(since));
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

/// What becomes of hosts that were lent.
impl HostRecord {
    /// It is given back as its borrower says. A longer rest, of which another's answer told meanwhile, stays; where that is
    /// longer than is waited for within a run, it is put aside, as its borrower would have done. Its time is still to be
    /// kept.
    pub fn give_back(&mut self, release: &Release, now: Timestamp) {
        self.not_before = self.not_before.max(release.not_before);
        self.parked = release.parked;
        self.put_aside(now);
    }

    /// It is taken back from a session that left no word. Where it asked for a longer rest than is waited for within a
    /// run, it is put aside, as its borrower would have done.
    ///
    /// `session`, `now` and `sessions` are those of [`HostRecord::keep_time`].
    pub fn take_back(&mut self, session: u32, now: Timestamp, sessions: &[SessionRecord]) {
        self.put_aside(now);
        self.keep_time(session, now, sessions);
    }

    /// The same in a crawl of many machines.
    pub fn take_back_shared(&mut self, session: u32, now: Timestamp, sessions: &[SessionRecord]) {
        self.put_aside(now);
        self.keep_shared_time(session, now, sessions);
    }

    fn put_aside(&mut self, now: Timestamp) {
        self.parked |= self.not_before.is_some_and(|until| until.since(now) > RETRY_AFTER_MAX);
    }

    /// The clock was set back by `span` since this was written: what lies in its future is corrected by that.
    ///
    /// So a rest lasts as long as it would have, and nobody waits for a moment that a wrong clock named. Where even the
    /// beginning of its work lies in the future, [`HostRecord::asked_before`] cannot tell any more whether it was asked a
    /// moment ago: it rests for the longest delay there is.
    pub fn set_back(&mut self, span: Duration, session: u32, now: Timestamp, sessions: &[SessionRecord]) {
        if self.due_at() <= now {
            return;
        }
        self.not_before = self.not_before.map(|until| until - span);
        if let (Some(since), Some(last)) =
            (self.busy_since.filter(|(_, since)| *since > now), sessions.last())
        {
            let until = (last.session.number, last.last_commit_at);
            self.wall_us = self.wall_us.saturating_add(busy_us(since, until, sessions));
            self.busy_since = Some((session, now));
            self.not_before = self.not_before.max(Some(now + CRAWL_DELAY_MAX));
        }
    }
}

/// By how much the clock shows less at `now` than at the last commit of the sessions so far.
pub fn set_back_by(now: Timestamp, sessions: &[SessionRecord]) -> Duration {
    sessions.last().map_or(Duration::ZERO, |last| last.last_commit_at.since(now))
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

/// The same for a crawl of many machines: its sessions may run at one time, which counts once, and all moments are on one
/// clock, the queue's. `until` is a moment of a session that is at work then.
pub fn shared_busy_us(since: Timestamp, until: (u32, Timestamp), sessions: &[SessionRecord]) -> u64 {
    let mut spans: Vec<(Timestamp, Timestamp)> = sessions
        .iter()
        .map(|record| {
            let is_last = record.session.number == until.0;
            (record.session.started_at, if is_last { until.1 } else { record.last_commit_at.min(until.1) })
        })
        .collect();
    spans.sort_unstable();
    let (mut sum_us, mut counted_to) = (0_u64, since);
    for (start, end) in spans {
        let start = start.max(counted_to);
        sum_us = sum_us.saturating_add(u64::try_from(end.since(start).as_micros()).unwrap_or(u64::MAX));
        counted_to = counted_to.max(end);
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

    /// A host that was known busy since 90 s of the clock, and that may not be asked before `not_before_s` of it.
    fn busy_host(not_before_s: Option<i64>) -> HostRecord {
        let host = crate::host::Host::of(&url::Url::parse("https://a.example/").unwrap()).unwrap();
        let not_before = not_before_s.map(at);
        HostRecord { not_before, busy_since: Some((0, at(90))), ..HostRecord::new(host) }
    }

    #[test]
    fn a_clock_set_back_shortens_rests_by_as_much_and_every_host_rests_for_the_longest_delay() {
        let sessions = [session(0, 80, 100)];
        assert_eq!(set_back_by(at(40), &sessions), Duration::from_secs(60));
        assert_eq!(set_back_by(at(101), &sessions), Duration::ZERO);
        for (not_before_s, rests_until_s) in
            [(None, 100), (Some(95), 100), (Some(110), 100), (Some(500), 440)]
        {
            let mut host = busy_host(not_before_s);
            host.set_back(Duration::from_secs(60), 1, at(40), &sessions);
            assert_eq!(host.not_before, Some(at(rests_until_s)), "{not_before_s:?}");
            assert_eq!(host.due_at(), at(rests_until_s), "nobody waits for a moment of the wrong clock");
            assert_eq!((host.wall_us, host.busy_since), (10_000_000, Some((1, at(40)))), "its time goes on");
        }
    }

    #[test]
    fn a_clock_set_back_a_little_is_made_up_for_by_as_much() {
        let mut host = busy_host(Some(110));
        host.busy_since = Some((0, at(85)));
        host.set_back(Duration::from_secs(5), 1, at(95), &[session(0, 80, 100)]);
        assert_eq!((host.not_before, host.busy_since, host.wall_us), (Some(at(105)), Some((0, at(85))), 0));
        let session = Session { id: SessionId(1), number: 1, started_at: at(95) };
        assert!(host.asked_before(&session), "so it waits for its own delay at least");
    }

    #[test]
    fn a_host_that_is_due_by_the_clock_of_now_is_left_as_it_is() {
        let mut host = busy_host(Some(30));
        host.busy_since = Some((0, at(35)));
        let before = host.clone();
        host.set_back(Duration::from_secs(60), 1, at(40), &[session(0, 80, 100)]);
        assert_eq!(host, before);
    }

    #[test]
    fn a_host_that_became_busy_after_the_last_commit_counts_from_the_next_start() {
        let sessions = [session(0, 0, 10), session(1, 20, 20)];
        assert_eq!(busy_us((0, at(12)), (1, at(25)), &sessions), 5_000_000);
    }

    #[test]
    fn sessions_beside_each_other_count_once_and_times_without_any_do_not() {
        // Two overlap, one lies within another, then nobody, then the one that asks.
        let sessions = [session(0, 0, 10), session(1, 5, 20), session(2, 6, 8), session(3, 100, 100)];
        assert_eq!(shared_busy_us(at(4), (3, at(103)), &sessions), (16 + 3) * 1_000_000);
        assert_eq!(shared_busy_us(at(4), (1, at(7)), &sessions), 3 * 1_000_000);
    }
}
