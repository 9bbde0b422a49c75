//! Time arithmetic of hosts: whether a host is busy, since when it is due, and for how long it was busy.
//!
//! Every queue and every reader uses these functions, so that their figures agree.

use std::time::Duration;

use super::{HostRecord, Release, RobotsRedirect, Session, SessionRecord};
use crate::bounds::RETRY_AFTER_MAX;
use crate::politeness::CRAWL_DELAY_MAX;
use crate::timestamp::Timestamp;

impl HostRecord {
    /// Whether the host has an unfinished task and is not parked.
    pub fn is_busy(&self) -> bool {
        self.account.unfinished() > 0 && !self.parked
    }

    /// Whether there is something to lease the host for: requests for other hosts, or tasks of its own unless it waits
    /// for another host. A parked host has no work before its date.
    pub fn has_work(&self) -> bool {
        let waits = self.redirect.as_ref().is_some_and(RobotsRedirect::is_waiting);
        self.hops > 0 || (self.account.unfinished() > 0 && !waits)
    }

    /// Moment from which the host may be leased, in the past or the future. [`super::WorkQueue::lease`] orders by it.
    ///
    /// It is the later of `not_before` and `busy_since`.
    pub fn due_at(&self) -> Timestamp {
        let busy_since = self.busy_since.map(|(_, since)| since);
        self.not_before.max(busy_since).unwrap_or_default()
    }

    /// Starts or stops the busy time if the host became busy or stopped being busy.
    ///
    /// Must be called after every change of `account` or `parked`, with the number of the session that made the change,
    /// the current time, and the sessions so far.
    pub fn keep_time(&mut self, session: u32, now: Timestamp, sessions: &[SessionRecord]) {
        self.keep(session, now, |since| busy_us(since, (session, now), sessions));
    }

    /// Like [`Self::keep_time`], for a crawl of many machines, whose sessions run at the same time.
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

    /// Busy time up to `until`, in microseconds. `until` is a session's number and a moment of that session.
    pub fn wall_us_at(&self, until: (u32, Timestamp), sessions: &[SessionRecord]) -> u64 {
        self.wall_us + self.busy_since.map_or(0, |since| busy_us(since, until, sessions))
    }

    /// Whether another session may have sent the host a request that it did not record.
    ///
    /// A request that left just before a crash is on no disk. If the host was busy when this session began, or its
    /// robots.txt was fetched before that, the previous session may have sent it a request in its last moment. A request
    /// for another host may be one of these.
    pub fn asked_before(&self, session: &Session) -> bool {
        let was_busy = self.busy_since.is_some_and(|(number, _)| number != session.number);
        let had_hop = self.hops > 0 && session.number > 0;
        was_busy
            || had_hop
            || self.robots.as_ref().is_some_and(|robots| robots.fetched_at < session.started_at)
    }
}

/// The end of a lease.
impl HostRecord {
    /// Updates the host as `release` says.
    ///
    /// A known later `not_before` stays: a redirect from another host may have brought it during the lease. If the wait
    /// exceeds [`RETRY_AFTER_MAX`], the host is parked. The caller must call [`Self::keep_time`] afterwards.
    pub fn release(&mut self, release: &Release, now: Timestamp) {
        self.not_before = self.not_before.max(release.not_before);
        self.parked = release.parked;
        self.park_if_long(now);
    }

    /// Updates the host when its session ended without releasing it.
    ///
    /// If the wait until `not_before` exceeds [`RETRY_AFTER_MAX`], the host is parked, as its session would have done.
    /// `session`, `now` and `sessions` are those of [`HostRecord::keep_time`].
    pub fn reclaim(&mut self, session: u32, now: Timestamp, sessions: &[SessionRecord]) {
        self.park_if_long(now);
        self.keep_time(session, now, sessions);
    }

    /// Like [`Self::reclaim`], for a crawl of many machines.
    pub fn reclaim_shared(&mut self, session: u32, now: Timestamp, sessions: &[SessionRecord]) {
        self.park_if_long(now);
        self.keep_shared_time(session, now, sessions);
    }

    fn park_if_long(&mut self, now: Timestamp) {
        self.parked |= self.not_before.is_some_and(|until| until.since(now) > RETRY_AFTER_MAX);
    }

    /// Corrects times that lie in the future because the clock was set back by `span` since they were written.
    ///
    /// A cooldown then lasts as long as it would have, and no host waits for a time of the wrong clock. If `busy_since`
    /// also lies in the future, [`HostRecord::asked_before`] can no longer tell whether a request was sent a moment
    /// ago. The host then gets a cooldown of [`CRAWL_DELAY_MAX`], the longest delay there is.
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

/// How far `now` lies before the last commit of the sessions so far; zero if the clock was not set back.
pub fn set_back_by(now: Timestamp, sessions: &[SessionRecord]) -> Duration {
    sessions.last().map_or(Duration::ZERO, |last| last.last_commit_at.since(now))
}

/// The crawl's wall time between two moments, each with the number of its session, in microseconds.
///
/// The first session counts up to its last commit, the last one from its start, and those between from start to last
/// commit. The pauses between sessions do not count. Only moments of one session are subtracted from each other,
/// because the wall clock may have been set between two sessions.
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

/// Like [`busy_us`], for a crawl of many machines.
///
/// Time in which several sessions run counts once. All moments are those of the queue's clock. `until` is a moment of a
/// session that is running then.
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

    /// A host that is busy since 90 s, with `not_before` at `not_before_s`.
    fn busy_host(not_before_s: Option<i64>) -> HostRecord {
        let host = crate::host::Host::of(&url::Url::parse("https://a.example/").unwrap()).unwrap();
        let not_before = not_before_s.map(at);
        HostRecord { not_before, busy_since: Some((0, at(90))), ..HostRecord::new(host) }
    }

    #[test]
    fn a_clock_set_back_shortens_cooldowns_by_as_much_and_every_host_waits_for_the_longest_delay() {
        let sessions = [session(0, 80, 100)];
        assert_eq!(set_back_by(at(40), &sessions), Duration::from_secs(60));
        assert_eq!(set_back_by(at(101), &sessions), Duration::ZERO);
        for (not_before_s, cooldown_until_s) in
            [(None, 100), (Some(95), 100), (Some(110), 100), (Some(500), 440)]
        {
            let mut host = busy_host(not_before_s);
            host.set_back(Duration::from_secs(60), 1, at(40), &sessions);
            assert_eq!(host.not_before, Some(at(cooldown_until_s)), "{not_before_s:?}");
            assert_eq!(host.due_at(), at(cooldown_until_s), "no host waits for a time of the wrong clock");
            assert_eq!(
                (host.wall_us, host.busy_since),
                (10_000_000, Some((1, at(40)))),
                "its busy time continues"
            );
        }
    }

    #[test]
    fn a_clock_set_back_a_little_shifts_the_cooldown_by_as_much() {
        let mut host = busy_host(Some(110));
        host.busy_since = Some((0, at(85)));
        host.set_back(Duration::from_secs(5), 1, at(95), &[session(0, 80, 100)]);
        assert_eq!((host.not_before, host.busy_since, host.wall_us), (Some(at(105)), Some((0, at(85))), 0));
        let session = Session { id: SessionId(1), number: 1, started_at: at(95) };
        assert!(host.asked_before(&session), "so it waits for at least its own delay");
    }

    #[test]
    fn a_host_that_is_due_by_the_current_clock_is_unchanged() {
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
    fn concurrent_sessions_count_once_and_time_without_a_session_does_not_count() {
        // Two overlap, one lies within another, then there is none, then the last one.
        let sessions = [session(0, 0, 10), session(1, 5, 20), session(2, 6, 8), session(3, 100, 100)];
        assert_eq!(shared_busy_us(at(4), (3, at(103)), &sessions), (16 + 3) * 1_000_000);
        assert_eq!(shared_busy_us(at(4), (1, at(7)), &sessions), 3 * 1_000_000);
    }
}
