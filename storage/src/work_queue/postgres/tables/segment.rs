//! The table `segment`.

use frontier::work_queue::{QueueError, SegmentRef, Session};
use tokio_postgres::Row;

use crate::segment::name::SegmentName;
use crate::segment::record::{SegmentPlace, SegmentRecord};
use crate::work_queue::postgres::error::Failure;
use crate::work_queue::postgres::fields::Fields;
use crate::work_queue::postgres::sql::Parameter;
use crate::work_queue::postgres::values::{number_key, signed};

/// Reads a registered segment.
pub(crate) fn segment_record(row: &Row) -> Result<SegmentRecord, Failure> {
    let mut segment = Fields::of("segment", row);
    let place = SegmentPlace { session: segment.number("session")?, seq: segment.number("seq")? };
    Ok(SegmentRecord {
        name: segment.get("name")?,
        bytes: segment.count("bytes")?,
        rows: segment.count("rows")?,
        crc32c: segment.fitting::<u32, i64>("crc32c")?,
        first: place,
        last: place,
    })
}

/// A segment that a commit registers.
#[derive(Default)]
pub(crate) struct SegmentRow {
    session: i32,
    seq: i32,
    name: String,
    bytes: i64,
    rows: i64,
    crc32c: i64,
    /// The first of the segments that it replaces; `None` if it replaces none.
    replaces_from: Option<i32>,
}

impl SegmentRow {
    /// Other machines cannot read a local file, so a segment is registered only when it is complete.
    pub(crate) fn of(segment: &SegmentRef, session: &Session) -> Result<Self, Failure> {
        let refused = |what: &str| QueueError::Storage(format!("segment {}: {what}", segment.name));
        let name: SegmentName = segment.name.parse().map_err(|_| refused("invalid segment name"))?;
        if name.session != session.id {
            return Err(refused("written by another session").into());
        }
        if segment.from_bytes != 0 || name.sealed != Some(segment.crc32c) {
            return Err(refused("a shared crawl accepts only complete, sealed segments").into());
        }
        Ok(Self {
            session: number_key(session.number),
            seq: number_key(name.seq),
            name: segment.name.clone(),
            bytes: signed(segment.to_bytes),
            rows: signed(segment.rows),
            crc32c: segment.crc32c.into(),
            replaces_from: segment.replaces_from.map(number_key),
        })
    }

    pub(crate) fn parameters<'a>(&'a self, crawl: &'a i32, now: &'a super::Moment) -> [Parameter<'a>; 9] {
        [
            ("crawl", crawl),
            ("session", &self.session),
            ("seq", &self.seq),
            ("name", &self.name),
            ("bytes", &self.bytes),
            ("rows", &self.rows),
            ("crc32c", &self.crc32c),
            ("replaces_from", &self.replaces_from),
            ("now", now),
        ]
    }
}
