//! The crawl over time: its wall time in a fixed number of buckets.

use std::collections::HashMap;

use frontier::{FetchRecord, HostId, Stage};

use super::sessions::Sessions;
use crate::figures::{PerStage, micros, seconds};

/// Number of buckets, however long the wall time is.
pub const BUCKETS: usize = 200;

/// Largest number of hosts with a row in the chart of hosts. It bounds memory: a row takes 8 KB.
pub const CHART_ROWS_MAX: usize = 1_000;

/// Stages in which a request is in flight. In earlier stages it waits.
const IN_FLIGHT: std::ops::RangeInclusive<Stage> = Stage::Dns..=Stage::Record;

/// A crawl over its wall time, without the pauses between runs (see [`Sessions`]).
#[derive(Clone, Debug)]
pub struct Timeline {
    /// Wall time, in seconds.
    pub wall_s: f64,
    /// Length of a bucket, in seconds.
    pub bucket_s: f64,
    /// Start of each session, in seconds.
    pub sessions_at_s: Vec<f64>,
    /// Mean number of requests in flight in each bucket, by stage; zero for `politeness` and `slot`.
    pub in_flight: PerStage<Vec<f64>>,
    /// Entries of the requests that ended in each bucket.
    pub entries: Vec<u64>,
    /// Requests that ended in each bucket.
    pub requests: Vec<u64>,
    /// Part of `requests`: those that failed, including those that succeeded on retry.
    pub errors: Vec<u64>,
    /// Chart rows of the slowest hosts, by origin. A row has, for each bucket, the stage that took most of the host's
    /// time; `None` if no stage took any.
    pub rows: HashMap<String, Vec<Option<Stage>>>,
}

/// Builds a [`Timeline`] from fetch records, in any order.
#[derive(Debug)]
pub struct TimelineTally {
    sessions: Sessions,
    bucket_us: u64,
    busy_us: Box<[[u64; BUCKETS]; 10]>,
    entries: Vec<u64>,
    requests: Vec<u64>,
    errors: Vec<u64>,
    rows: HashMap<HostId, Row>,
}

/// Time of one host by bucket and stage, in seconds. Single precision is enough to find the largest of ten stages.
#[derive(Debug)]
struct Row {
    origin: String,
    busy_s: Vec<[f32; 10]>,
}

impl TimelineTally {
    /// Starts with the axis of these sessions, and with chart rows for the first [`CHART_ROWS_MAX`] of `hosts`.
    pub fn new(sessions: Sessions, hosts: impl IntoIterator<Item = (HostId, String)>) -> Self {
        let row = |(id, origin)| (id, Row { origin, busy_s: vec![[0.0; 10]; BUCKETS] });
        Self {
            bucket_us: sessions.wall_us().div_ceil(BUCKETS as u64).max(1),
            sessions,
            busy_us: Box::new([[0; BUCKETS]; 10]),
            entries: vec![0; BUCKETS],
            requests: vec![0; BUCKETS],
            errors: vec![0; BUCKETS],
            rows: hosts.into_iter().take(CHART_ROWS_MAX).map(row).collect(),
        }
    }

    /// Adds one request.
    pub fn add_fetch(&mut self, fetch: &FetchRecord) {
        let Some(session) = self.sessions.span(fetch.session) else { return };
        let end_us = session.at_us.saturating_add(session.length_us);
        let waited_us = micros(fetch.begun_at.since(session.started_at));
        let mut from_us = session.at_us.saturating_add(waited_us).min(end_us);
        for (stage, span_us) in fetch.stages.iter() {
            let to_us = from_us.saturating_add(span_us).min(end_us);
            self.add_span(fetch.task.host, stage, from_us, to_us);
            from_us = to_us;
        }
        let bucket = self.bucket_of(from_us);
        self.entries[bucket] += fetch.entries;
        self.requests[bucket] += 1;
        self.errors[bucket] += u64::from(fetch.error.is_some());
    }

    fn add_span(&mut self, host: HostId, stage: Stage, mut from_us: u64, to_us: u64) {
        let mut row = self.rows.get_mut(&host);
        while from_us < to_us {
            let bucket = ((from_us / self.bucket_us) as usize).min(BUCKETS - 1);
            let next_us = (bucket as u64 + 1).saturating_mul(self.bucket_us);
            let part_us = to_us.min(next_us) - from_us;
            self.busy_us[stage as usize][bucket] += part_us;
            if let Some(row) = &mut row {
                row.busy_s[bucket][stage as usize] += seconds(part_us) as f32;
            }
            from_us += part_us;
        }
    }

    fn bucket_of(&self, at_us: u64) -> usize {
        // A request that ends at the end of the crawl belongs to the last bucket.
        ((at_us.saturating_sub(1) / self.bucket_us) as usize).min(BUCKETS - 1)
    }

    /// Returns the timeline.
    pub fn finish(&self) -> Timeline {
        let wall_us = self.sessions.wall_us();
        let used = (wall_us.div_ceil(self.bucket_us) as usize).clamp(1, BUCKETS);
        let in_flight = PerStage::new(|stage| {
            let mean = |busy_us: &u64| *busy_us as f64 / self.bucket_us as f64;
            let busy_us = &self.busy_us[stage as usize][..used];
            busy_us.iter().map(|us| if IN_FLIGHT.contains(&stage) { mean(us) } else { 0.0 }).collect()
        });
        let row = |row: &Row| (row.origin.clone(), longest_stages(&row.busy_s[..used]));
        Timeline {
            wall_s: seconds(wall_us),
            bucket_s: seconds(self.bucket_us),
            sessions_at_s: self.sessions.starts_us().map(seconds).collect(),
            in_flight,
            entries: self.entries[..used].to_vec(),
            requests: self.requests[..used].to_vec(),
            errors: self.errors[..used].to_vec(),
            rows: self.rows.values().map(row).collect(),
        }
    }
}

/// The stage with the most time in each bucket.
fn longest_stages(busy_s: &[[f32; 10]]) -> Vec<Option<Stage>> {
    let most = |busy_s: &[f32; 10]| {
        let longest =
            Stage::ALL.into_iter().max_by(|a, b| busy_s[*a as usize].total_cmp(&busy_s[*b as usize]));
        longest.filter(|stage| busy_s[*stage as usize] > 0.0)
    };
    busy_s.iter().map(most).collect()
}

#[cfg(test)]
mod tests {
    use frontier::{ErrorKind, SessionId};

    use super::*;
    use crate::fixture::records::{fetch, id, session};

    const A: &str = "https://a.example";
    const B: &str = "https://b.example";

    #[test]
    fn a_request_is_in_flight_where_it_was_and_waits_before() {
        // With 10 s of wall time a bucket is 50 ms.
        let sessions = Sessions::consecutive(vec![session(0, 0, 10_000, 0, 0)]);
        let mut tally = TimelineTally::new(sessions, [(id(A), A.to_owned())]);
        tally.add_fetch(&fetch(
            A,
            1_000,
            &[(Stage::Politeness, 1_000), (Stage::FirstByte, 500), (Stage::Parse, 25)],
        ));
        tally.add_fetch(&fetch(B, 2_000, &[(Stage::FirstByte, 250)]));
        let timeline = tally.finish();
        assert_eq!((timeline.wall_s, timeline.bucket_s), (10.0, 0.05));
        let waiting = timeline.in_flight.get(Stage::FirstByte);
        assert_eq!(
            (waiting[39], waiting[40], waiting[44], waiting[45], waiting[50]),
            (0.0, 2.0, 2.0, 1.0, 0.0)
        );
        assert_eq!(timeline.in_flight.get(Stage::Parse)[50], 0.5);
        assert!(timeline.in_flight.get(Stage::Politeness).iter().all(|mean| *mean == 0.0));
        assert_eq!(
            (timeline.entries[50], timeline.requests[50], timeline.requests.iter().sum::<u64>()),
            (50, 1, 2)
        );
        let row = &timeline.rows[A];
        assert_eq!((row[19], row[20], row[39]), (None, Some(Stage::Politeness), Some(Stage::Politeness)));
        assert_eq!((row[40], row[50], row[51]), (Some(Stage::FirstByte), Some(Stage::Parse), None));
        assert!(!timeline.rows.contains_key(B), "only hosts passed to `new` have a row");
    }

    #[test]
    fn a_resumed_crawl_is_one_axis_without_the_pause() {
        let sessions = vec![session(0, 0, 4_000, 0, 0), session(1, 900_000, 904_000, 0, 0)];
        let mut tally = TimelineTally::new(Sessions::consecutive(sessions), []);
        let failed =
            FetchRecord { error: Some(ErrorKind::Timeout), ..fetch(A, 901_000, &[(Stage::Body, 1_000)]) };
        tally.add_fetch(&FetchRecord { session: SessionId(2), ..failed });
        let timeline = tally.finish();
        assert_eq!((timeline.wall_s, timeline.sessions_at_s.as_slice()), (8.0, &[0.0, 4.0][..]));
        assert_eq!(timeline.errors.iter().position(|count| *count == 1), Some(149), "it ended at 6 s of 8");
    }

    #[test]
    fn concurrent_workers_are_on_one_axis() {
        let sessions = vec![session(0, 0, 4_000, 0, 0), session(1, 2_000, 8_000, 0, 0)];
        let mut tally = TimelineTally::new(Sessions::concurrent(sessions), []);
        tally.add_fetch(&fetch(A, 2_000, &[(Stage::Body, 1_000)]));
        let of_second = FetchRecord { session: SessionId(2), ..fetch(B, 2_000, &[(Stage::Body, 2_000)]) };
        tally.add_fetch(&of_second);
        let timeline = tally.finish();
        assert_eq!((timeline.wall_s, timeline.sessions_at_s.as_slice()), (8.0, &[0.0, 2.0][..]));
        let receiving = timeline.in_flight.get(Stage::Body);
        assert_eq!((receiving[49], receiving[50], receiving[75], receiving[100]), (0.0, 2.0, 1.0, 0.0));
    }

    #[test]
    fn without_time_or_sessions_everything_is_zero() {
        let timeline = TimelineTally::new(Sessions::default(), []).finish();
        assert_eq!(timeline.wall_s, 0.0);
        let sessions = Sessions::consecutive(vec![session(0, 0, 0, 0, 0)]);
        let mut tally = TimelineTally::new(sessions, [(id(A), A.to_owned())]);
        tally.add_fetch(&fetch(A, 0, &[(Stage::Body, 1_000)]));
        let timeline = tally.finish();
        assert_eq!(timeline.requests[0], 1);
        assert!(timeline.rows[A].iter().all(Option::is_none));
    }
}
