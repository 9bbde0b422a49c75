//! How the sessions of a crawl lie in time.

use std::collections::HashMap;

use frontier::work_queue::{SessionRecord, busy_us, shared_busy_us};
use frontier::{SessionId, Timestamp};

use super::host_table::micros;

/// The sessions of a crawl on its axis of time, the pauses between its runs left out.
///
/// A *run* is time in which somebody was at work without a break: on one machine a session, in a crawl of many machines
/// all sessions that overlap.
#[derive(Clone, Debug, Default)]
pub struct Sessions {
    /// By number.
    records: Vec<SessionRecord>,
    is_shared: bool,
    places: HashMap<SessionId, Place>,
    wall_us: u64,
}

/// A session's place on the axis.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// Runs before its own.
    pub(crate) run: usize,
    /// When it began, by the clock.
    pub(crate) started_at: Timestamp,
    /// When it began, on the axis, in microseconds.
    pub(crate) at_us: u64,
    /// From there to its last commit, in microseconds.
    pub(crate) length_us: u64,
}

impl Sessions {
    /// Those of a crawl on one machine: each is a run, whatever the clock said, which may have been set between them.
    pub fn in_turn(records: Vec<SessionRecord>) -> Self {
        let (mut places, mut wall_us) = (HashMap::with_capacity(records.len()), 0_u64);
        for (run, record) in records.iter().enumerate() {
            let place = Place::new(record, run, wall_us);
            wall_us = wall_us.saturating_add(place.length_us);
            places.insert(record.session.id, place);
        }
        Self { records, is_shared: false, places, wall_us }
    }

    /// Those of a crawl on many machines, beside each other and all on one clock.
    pub fn beside_each_other(records: Vec<SessionRecord>) -> Self {
        let mut by_start: Vec<&SessionRecord> = records.iter().collect();
        by_start.sort_by_key(|record| (record.session.started_at, record.session.number));
        let mut places = HashMap::with_capacity(records.len());
        let (mut run, mut run_at_us, mut wall_us) = (0, 0, 0_u64);
        let mut span: Option<(Timestamp, Timestamp)> = None;
        for record in by_start {
            let (begun_at, ended_at) = match span {
                Some((begun_at, ended_at)) if record.session.started_at <= ended_at => (begun_at, ended_at),
                _ => {
                    run += usize::from(span.is_some());
                    run_at_us = wall_us;
                    (record.session.started_at, record.last_commit_at)
                }
            };
            let at_us = run_at_us.saturating_add(micros(record.session.started_at.since(begun_at)));
            places.insert(record.session.id, Place::new(record, run, at_us));
            let ended_at = ended_at.max(record.last_commit_at);
            wall_us = run_at_us.saturating_add(micros(ended_at.since(begun_at)));
            span = Some((begun_at, ended_at));
        }
        Self { records, is_shared: true, places, wall_us }
    }

    /// Each of them, by number.
    pub(crate) fn records(&self) -> &[SessionRecord] {
        &self.records
    }

    /// Whether they are those of a crawl on many machines.
    pub(crate) fn is_shared(&self) -> bool {
        self.is_shared
    }

    /// Where a session lies; `None` of one that is not known.
    pub(crate) fn place(&self, session: SessionId) -> Option<Place> {
        self.places.get(&session).copied()
    }

    /// Where each begins on the axis, by number, in microseconds.
    pub(crate) fn begins_us(&self) -> impl Iterator<Item = u64> {
        self.records.iter().filter_map(|record| self.place(record.session.id)).map(|place| place.at_us)
    }

    /// The crawl's wall time: what its runs took, in microseconds. Time in which several worked counts once.
    pub(crate) fn wall_us(&self) -> u64 {
        self.wall_us
    }

    /// What all sessions took together, in microseconds. Time in which several worked counts for each.
    pub(crate) fn worked_us(&self) -> u64 {
        self.sum(|_, length_us| length_us)
    }

    /// The time of all cores that they had, in microseconds.
    pub(crate) fn capacity_us(&self) -> u64 {
        self.sum(|record, length_us| length_us.saturating_mul(record.usage.cores.into()))
    }

    fn sum(&self, of: impl Fn(&SessionRecord, u64) -> u64) -> u64 {
        self.records.iter().fold(0, |sum, record| sum.saturating_add(of(record, session_us(record))))
    }

    /// The most of them that were at work at a time: workers of a shared crawl, and else one.
    pub(crate) fn workers(&self) -> u64 {
        self.most_at_a_time(|_| 1)
    }

    /// The most cores that they had at a time.
    pub(crate) fn cores(&self) -> u32 {
        u32::try_from(self.most_at_a_time(|record| record.usage.cores.into())).unwrap_or(u32::MAX)
    }

    /// The most that they had of something at a time.
    fn most_at_a_time(&self, of: fn(&SessionRecord) -> u64) -> u64 {
        // Sessions without length are at work at no moment, and those in turn at none together.
        let alone = self.records.iter().map(of).max().unwrap_or(0);
        if !self.is_shared {
            return alone;
        }
        let mut changes: Vec<(Timestamp, bool, u64)> = Vec::with_capacity(2 * self.records.len());
        for record in self.records.iter().filter(|record| session_us(record) > 0) {
            changes.push((record.session.started_at, true, of(record)));
            changes.push((record.last_commit_at, false, of(record)));
        }
        // Where one ends as another begins, they were not at work together.
        changes.sort_unstable();
        let (mut now, mut most) = (0_u64, alone);
        for (_, begins, amount) in changes {
            now = if begins { now.saturating_add(amount) } else { now.saturating_sub(amount) };
            most = most.max(now);
        }
        most
    }

    /// The wall time of a host that had something to do for `wall_us` and since `busy_since`: up to the last commit, in
    /// microseconds.
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

impl Place {
    fn new(record: &SessionRecord, run: usize, at_us: u64) -> Self {
        Self { run, started_at: record.session.started_at, at_us, length_us: session_us(record) }
    }
}

/// A session's length in microseconds, from its start to its last commit.
fn session_us(record: &SessionRecord) -> u64 {
    micros(record.last_commit_at.since(record.session.started_at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::made_up::{at, session};

    /// Two overlap, one lies within the first, and after a pause there is another.
    fn records() -> Vec<SessionRecord> {
        let spans = [(0, 4_000), (1_000, 6_000), (2_000, 3_000), (60_000, 61_000)];
        (0..).zip(spans).map(|(number, (from, to))| session(number, from, to, 0, 0)).collect()
    }

    fn places(sessions: &Sessions) -> Vec<(usize, u64, u64)> {
        let place = |record: &SessionRecord| sessions.place(record.session.id).unwrap();
        let ms = |place: Place| (place.run, place.at_us / 1_000, place.length_us / 1_000);
        sessions.records().iter().map(place).map(ms).collect()
    }

    #[test]
    fn time_in_which_several_work_counts_once_and_pauses_do_not() {
        let sessions = Sessions::beside_each_other(records());
        assert_eq!(sessions.wall_us(), 7_000_000);
        assert_eq!(sessions.worked_us(), 11_000_000);
        assert_eq!(sessions.capacity_us(), 22_000_000);
        assert_eq!((sessions.workers(), sessions.cores()), (3, 6));
        assert_eq!(
            places(&sessions),
            [(0, 0, 4_000), (0, 1_000, 5_000), (0, 2_000, 1_000), (1, 6_000, 1_000)]
        );
    }

    #[test]
    fn on_one_machine_sessions_follow_each_other_whatever_the_clock_said() {
        let sessions = Sessions::in_turn(records());
        assert_eq!((sessions.wall_us(), sessions.worked_us()), (11_000_000, 11_000_000));
        assert_eq!((sessions.workers(), sessions.cores()), (1, 2));
        assert_eq!(
            places(&sessions),
            [(0, 0, 4_000), (1, 4_000, 5_000), (2, 9_000, 1_000), (3, 10_000, 1_000)]
        );
    }

    #[test]
    fn one_that_begins_as_another_ends_is_of_its_run_and_not_beside_it() {
        let sessions =
            Sessions::beside_each_other(vec![session(0, 0, 1_000, 0, 0), session(1, 1_000, 2_000, 0, 0)]);
        assert_eq!((places(&sessions)[1].0, sessions.workers()), (0, 1));
        let none = Sessions::beside_each_other(vec![session(0, 0, 0, 0, 0)]);
        assert_eq!((none.wall_us(), none.workers(), Sessions::default().workers()), (0, 1, 0));
    }

    #[test]
    fn a_host_that_is_busy_in_overlapping_sessions_counts_their_time_once() {
        let since = Some((0, at(3_500)));
        assert_eq!(Sessions::beside_each_other(records()).host_wall_us(1, since), 3_500_001);
        assert_eq!(Sessions::in_turn(records()).host_wall_us(1, since), 7_500_001);
        assert_eq!(Sessions::default().host_wall_us(7, None), 7);
    }
}
