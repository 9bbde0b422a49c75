//! The sessions of a crawl on its time axis.

use std::collections::HashMap;

use frontier::work_queue::{SessionRecord, busy_us, shared_busy_us};
use frontier::{SessionId, Timestamp};

use crate::figures::micros;

/// The sessions of a crawl on a time axis that leaves out the pauses between runs.
///
/// A *run* is a period without pauses. On one machine each session is a run. In a crawl shared by several machines, all
/// sessions that overlap form a run.
#[derive(Clone, Debug, Default)]
pub struct Sessions {
    /// Ordered by number.
    records: Vec<SessionRecord>,
    is_shared: bool,
    spans: HashMap<SessionId, SessionSpan>,
    wall_us: u64,
}

/// The span of a session on the axis.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SessionSpan {
    /// Number of runs before the session's own.
    pub(crate) run: usize,
    /// Start by the clock.
    pub(crate) started_at: Timestamp,
    /// Start on the axis, in microseconds.
    pub(crate) at_us: u64,
    /// Time from the start to the last commit, in microseconds.
    pub(crate) length_us: u64,
}

impl Sessions {
    /// The sessions of a crawl on one machine. They follow one another and each is a run, whatever their clock times
    /// say, because the clock may have been set between them.
    pub fn consecutive(records: Vec<SessionRecord>) -> Self {
        let (mut spans, mut wall_us) = (HashMap::with_capacity(records.len()), 0_u64);
        for (run, record) in records.iter().enumerate() {
            let span = SessionSpan::new(record, run, wall_us);
            wall_us = wall_us.saturating_add(span.length_us);
            spans.insert(record.session.id, span);
        }
        Self { records, is_shared: false, spans, wall_us }
    }

    /// The sessions of a crawl shared by several machines. They may overlap, and their times come from one clock.
    pub fn concurrent(records: Vec<SessionRecord>) -> Self {
        let mut by_start: Vec<&SessionRecord> = records.iter().collect();
        by_start.sort_by_key(|record| (record.session.started_at, record.session.number));
        let mut spans = HashMap::with_capacity(records.len());
        let (mut run, mut run_at_us, mut wall_us) = (0, 0, 0_u64);
        let mut current_run: Option<(Timestamp, Timestamp)> = None;
        for record in by_start {
            let (begun_at, ended_at) = match current_run {
                Some((begun_at, ended_at)) if record.session.started_at <= ended_at => (begun_at, ended_at),
                _ => {
                    run += usize::from(current_run.is_some());
                    run_at_us = wall_us;
                    (record.session.started_at, record.last_commit_at)
                }
            };
            let at_us = run_at_us.saturating_add(micros(record.session.started_at.since(begun_at)));
            spans.insert(record.session.id, SessionSpan::new(record, run, at_us));
            let ended_at = ended_at.max(record.last_commit_at);
            wall_us = run_at_us.saturating_add(micros(ended_at.since(begun_at)));
            current_run = Some((begun_at, ended_at));
        }
        Self { records, is_shared: true, spans, wall_us }
    }

    /// All sessions, ordered by number.
    pub(crate) fn records(&self) -> &[SessionRecord] {
        &self.records
    }

    /// Whether several machines share the crawl.
    pub(crate) fn is_shared(&self) -> bool {
        self.is_shared
    }

    /// The span of a session; `None` if the session is unknown.
    pub(crate) fn span(&self, session: SessionId) -> Option<SessionSpan> {
        self.spans.get(&session).copied()
    }

    /// Start of each session on the axis, ordered by number, in microseconds.
    pub(crate) fn starts_us(&self) -> impl Iterator<Item = u64> {
        self.records.iter().filter_map(|record| self.span(record.session.id)).map(|span| span.at_us)
    }

    /// Wall time of the crawl: the sum over its runs, in microseconds. Time in which several sessions ran counts once.
    pub(crate) fn wall_us(&self) -> u64 {
        self.wall_us
    }

    /// Sum of the lengths of all sessions, in microseconds. Time in which several sessions ran counts for each of them.
    pub(crate) fn worked_us(&self) -> u64 {
        self.sum(|_, length_us| length_us)
    }

    /// Time of all cores of all sessions, in microseconds.
    pub(crate) fn capacity_us(&self) -> u64 {
        self.sum(|record, length_us| length_us.saturating_mul(record.usage.cores.into()))
    }

    fn sum(&self, of: impl Fn(&SessionRecord, u64) -> u64) -> u64 {
        self.records.iter().fold(0, |sum, record| sum.saturating_add(of(record, session_us(record))))
    }

    /// Largest number of sessions that ran at the same time: the workers of a shared crawl, otherwise 1.
    pub(crate) fn workers(&self) -> u64 {
        self.most_at_once(|_| 1)
    }

    /// Largest number of cores that sessions had at the same time.
    pub(crate) fn cores(&self) -> u32 {
        u32::try_from(self.most_at_once(|record| record.usage.cores.into())).unwrap_or(u32::MAX)
    }

    /// Largest sum of `of` over the sessions that ran at the same time.
    fn most_at_once(&self, of: fn(&SessionRecord) -> u64) -> u64 {
        // Covers sessions of zero length, which the sweep below skips, and sessions on one machine, which never
        // overlap.
        let alone = self.records.iter().map(of).max().unwrap_or(0);
        if !self.is_shared {
            return alone;
        }
        let mut changes: Vec<(Timestamp, bool, u64)> = Vec::with_capacity(2 * self.records.len());
        for record in self.records.iter().filter(|record| session_us(record) > 0) {
            changes.push((record.session.started_at, true, of(record)));
            changes.push((record.last_commit_at, false, of(record)));
        }
        // An end sorts before a start at the same moment, so sessions that only touch do not count together.
        changes.sort_unstable();
        let (mut now, mut most) = (0_u64, alone);
        for (_, is_start, amount) in changes {
            now = if is_start { now.saturating_add(amount) } else { now.saturating_sub(amount) };
            most = most.max(now);
        }
        most
    }

    /// Wall time of a host up to the last commit, in microseconds: `wall_us`, plus the time since `busy_since` if the
    /// host still has work.
    pub(crate) fn host_wall_us(&self, wall_us: u64, busy_since: Option<(u32, Timestamp)>) -> u64 {
        let last = match self.is_shared {
            true => self.records.iter().max_by_key(|record| record.last_commit_at),
            false => self.records.last(),
        };
        let (Some(last), Some(since)) = (last, busy_since) else { return wall_us };
        let until = (last.session.number, last.last_commit_at);
        wall_us.saturating_add(match self.is_shared {
            true => shared_busy_us(since.1, until, &self.records),
            false => busy_us(since, until, &self.records),
        })
    }
}

impl SessionSpan {
    fn new(record: &SessionRecord, run: usize, at_us: u64) -> Self {
        Self { run, started_at: record.session.started_at, at_us, length_us: session_us(record) }
    }
}

/// Length of a session from its start to its last commit, in microseconds.
fn session_us(record: &SessionRecord) -> u64 {
    micros(record.last_commit_at.since(record.session.started_at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::records::{at, session};

    /// Two sessions overlap, a third lies within both, and a fourth follows after a pause.
    fn records() -> Vec<SessionRecord> {
        let spans = [(0, 4_000), (1_000, 6_000), (2_000, 3_000), (60_000, 61_000)];
        (0..).zip(spans).map(|(number, (from, to))| session(number, from, to, 0, 0)).collect()
    }

    fn spans(sessions: &Sessions) -> Vec<(usize, u64, u64)> {
        let span = |record: &SessionRecord| sessions.span(record.session.id).unwrap();
        let ms = |span: SessionSpan| (span.run, span.at_us / 1_000, span.length_us / 1_000);
        sessions.records().iter().map(span).map(ms).collect()
    }

    #[test]
    fn time_in_which_several_work_counts_once_and_pauses_do_not() {
        let sessions = Sessions::concurrent(records());
        assert_eq!(sessions.wall_us(), 7_000_000);
        assert_eq!(sessions.worked_us(), 11_000_000);
        assert_eq!(sessions.capacity_us(), 22_000_000);
        assert_eq!((sessions.workers(), sessions.cores()), (3, 6));
        assert_eq!(
            spans(&sessions),
            [(0, 0, 4_000), (0, 1_000, 5_000), (0, 2_000, 1_000), (1, 6_000, 1_000)]
        );
    }

    #[test]
    fn on_one_machine_sessions_follow_each_other_whatever_the_clock_said() {
        let sessions = Sessions::consecutive(records());
        assert_eq!((sessions.wall_us(), sessions.worked_us()), (11_000_000, 11_000_000));
        assert_eq!((sessions.workers(), sessions.cores()), (1, 2));
        assert_eq!(
            spans(&sessions),
            [(0, 0, 4_000), (1, 4_000, 5_000), (2, 9_000, 1_000), (3, 10_000, 1_000)]
        );
    }

    #[test]
    fn a_session_that_starts_when_another_ends_is_in_its_run_but_does_not_overlap_it() {
        let sessions = Sessions::concurrent(vec![session(0, 0, 1_000, 0, 0), session(1, 1_000, 2_000, 0, 0)]);
        assert_eq!((spans(&sessions)[1].0, sessions.workers()), (0, 1));
        let none = Sessions::concurrent(vec![session(0, 0, 0, 0, 0)]);
        assert_eq!((none.wall_us(), none.workers(), Sessions::default().workers()), (0, 1, 0));
    }

    #[test]
    fn a_host_that_is_busy_in_overlapping_sessions_counts_their_time_once() {
        let since = Some((0, at(3_500)));
        assert_eq!(Sessions::concurrent(records()).host_wall_us(1, since), 3_500_001);
        assert_eq!(Sessions::consecutive(records()).host_wall_us(1, since), 7_500_001);
        assert_eq!(Sessions::default().host_wall_us(7, None), 7);
    }
}
