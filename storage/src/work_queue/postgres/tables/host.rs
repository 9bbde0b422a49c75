//! The tables `host` and `robots`.

use std::time::SystemTime;

use frontier::work_queue::{HostRecord, LeasedHost, Loaded, RobotsRecord, Session};
use frontier::{Host, HostId, Timestamp};
use tokio_postgres::Row;
use url::Url;
use uuid::Uuid;

use super::Table;
use crate::codec;
use crate::work_queue::postgres::error::Failure;
use crate::work_queue::postgres::fields::Fields;
use crate::work_queue::postgres::sql::Parameter;
use crate::work_queue::postgres::values::{host_id, host_key, moment, number_key, signed};

/// A row of the table `host`.
pub(crate) struct HostRow {
    pub id: HostId,
    /// Number of the session that leases it.
    pub owner: Option<u32>,
    /// The record, without robots.txt rules.
    pub record: HostRecord,
}

impl HostRow {
    pub(crate) const TABLE: Table = Table {
        name: "host",
        columns: &[
            "host_id",
            "owner",
            "origin",
            "is_seed",
            "is_site",
            "hops",
            "redirect",
            "not_before",
            "parked",
            "account",
            "accepted",
            "inbox",
            "wall_us",
            "busy_session",
            "busy_since",
        ],
    };

    pub(crate) fn read(row: &Row) -> Result<Self, Failure> {
        let mut host = Fields::of(Self::TABLE.name, row);
        let (id, owner) = (host_id(host.get("host_id")?), host.number_if_any("owner")?);
        let record = HostRecord {
            host: origin(host.get("origin")?)?,
            is_seed: host.get("is_seed")?,
            is_site: host.get("is_site")?,
            hops: host.count("hops")?,
            redirect: host.decoded_if_any("redirect")?,
            robots: None,
            not_before: host.time_if_any("not_before")?,
            parked: host.get("parked")?,
            account: host.decoded("account")?,
            accepted: host.count("accepted")?,
            inbox: host.count("inbox")?,
            wall_us: host.count("wall_us")?,
            busy_since: host.number_if_any("busy_session")?.zip(host.time_if_any("busy_since")?),
        };
        Ok(Self { id, owner, record })
    }

    /// Reads a row of a statement that joins the table `robots`.
    pub(crate) fn read_with_robots(row: &Row) -> Result<Self, Failure> {
        let mut host = Self::read(row)?;
        host.record.robots = robots(row)?;
        Ok(host)
    }
}

/// Reads a row of a statement that joins the table `robots`.
fn robots(row: &Row) -> Result<Option<RobotsRecord>, Failure> {
    Fields::of("robots", row).decoded_if_any("record")
}

fn origin(text: &str) -> Result<Host, Failure> {
    let url = Url::parse(text).ok();
    url.and_then(|url| Host::of(&url)).ok_or_else(|| Failure::damaged("host", "origin"))
}

/// Reads a host that was leased to `session`.
pub(crate) fn leased_host(row: &Row, session: &Session) -> Result<LeasedHost, Failure> {
    let mut host = Fields::of("host", row);
    Ok(LeasedHost {
        host: origin(host.get("origin")?)?,
        is_seed: host.get("is_seed")?,
        asked_before: host.get("reaped")?,
        not_before: host.time_if_any("not_before")?,
        inbox: host.count("inbox")?,
        busy_since: host.time("busy_since")?.max(session.started_at),
        robots: robots(row)?,
    })
}

/// Reads a host whose tasks are loaded, still without tasks.
pub(crate) fn loaded_host(row: &Row) -> Result<Loaded, Failure> {
    let mut host = Fields::of("host", row);
    Ok(Loaded {
        host: host_id(host.get("host_id")?),
        inbox: host.count("inbox")?,
        busy_since: host.time_if_any("busy_since")?,
        tasks: Vec::new(),
        hops: Vec::new(),
        redirect: host.decoded_if_any("redirect")?,
    })
}

/// The due time of a host that is not leased; `None` if it has no work.
fn due_at(record: &HostRecord) -> Option<Timestamp> {
    record.has_work().then(|| record.due_at())
}

/// Hosts that a commit inserts or updates, as one array per column.
#[derive(Default)]
pub(crate) struct HostRows {
    host_id: Vec<Uuid>,
    origin: Vec<String>,
    is_seed: Vec<bool>,
    is_site: Vec<bool>,
    hops: Vec<i64>,
    redirect: Vec<Option<Vec<u8>>>,
    due_at: Vec<Option<SystemTime>>,
    not_before: Vec<Option<SystemTime>>,
    inbox: Vec<i64>,
    accepted: Vec<i64>,
    unfinished: Vec<i64>,
    wall_us: Vec<i64>,
    busy_session: Vec<Option<i32>>,
    busy_since: Vec<Option<SystemTime>>,
    account: Vec<Vec<u8>>,
}

impl HostRows {
    pub(crate) fn is_empty(&self) -> bool {
        self.host_id.is_empty()
    }

    pub(crate) fn push(&mut self, id: HostId, record: &HostRecord, is_leased: bool) -> Result<(), Failure> {
        let due_at = if is_leased { None } else { due_at(record) };
        self.host_id.push(host_key(id));
        self.origin.push(record.host.to_string());
        self.is_seed.push(record.is_seed);
        self.is_site.push(record.is_site);
        self.hops.push(signed(record.hops));
        self.redirect.push(record.redirect.as_ref().map(codec::encode).transpose()?);
        self.due_at.push(due_at.map(moment));
        self.not_before.push(record.not_before.map(moment));
        self.inbox.push(signed(record.inbox));
        self.accepted.push(signed(record.accepted));
        self.unfinished.push(signed(record.account.unfinished()));
        self.wall_us.push(signed(record.wall_us));
        self.busy_session.push(record.busy_since.map(|(session, _)| number_key(session)));
        self.busy_since.push(record.busy_since.map(|(_, since)| moment(since)));
        self.account.push(codec::encode(&record.account)?);
        Ok(())
    }

    pub(crate) fn parameters<'a>(&'a self, crawl: &'a i32) -> [Parameter<'a>; 16] {
        [
            ("crawl", crawl),
            ("host_id", &self.host_id),
            ("origin", &self.origin),
            ("is_seed", &self.is_seed),
            ("is_site", &self.is_site),
            ("hops", &self.hops),
            ("redirect", &self.redirect),
            ("due_at", &self.due_at),
            ("not_before", &self.not_before),
            ("inbox", &self.inbox),
            ("accepted", &self.accepted),
            ("unfinished", &self.unfinished),
            ("wall_us", &self.wall_us),
            ("busy_session", &self.busy_session),
            ("busy_since", &self.busy_since),
            ("account", &self.account),
        ]
    }
}

/// Hosts that are released or reclaimed, as one array per column.
#[derive(Default)]
pub(crate) struct ReleasedHosts {
    host_id: Vec<Uuid>,
    due_at: Vec<Option<SystemTime>>,
    not_before: Vec<Option<SystemTime>>,
    parked: Vec<bool>,
    wall_us: Vec<i64>,
    busy_session: Vec<Option<i32>>,
    busy_since: Vec<Option<SystemTime>>,
}

impl ReleasedHosts {
    pub(crate) fn is_empty(&self) -> bool {
        self.host_id.is_empty()
    }

    pub(crate) fn push(&mut self, id: HostId, record: &HostRecord) {
        self.host_id.push(host_key(id));
        self.due_at.push(due_at(record).map(moment));
        self.not_before.push(record.not_before.map(moment));
        self.parked.push(record.parked);
        self.wall_us.push(signed(record.wall_us));
        self.busy_session.push(record.busy_since.map(|(session, _)| number_key(session)));
        self.busy_since.push(record.busy_since.map(|(_, since)| moment(since)));
    }

    /// `reaped` says that the hosts were reclaimed, not released.
    pub(crate) fn parameters<'a>(&'a self, crawl: &'a i32, reaped: &'a bool) -> [Parameter<'a>; 9] {
        [
            ("crawl", crawl),
            ("reaped", reaped),
            ("host_id", &self.host_id),
            ("due_at", &self.due_at),
            ("not_before", &self.not_before),
            ("parked", &self.parked),
            ("wall_us", &self.wall_us),
            ("busy_session", &self.busy_session),
            ("busy_since", &self.busy_since),
        ]
    }
}

/// robots.txt rules that a commit writes, as one array per column.
#[derive(Default)]
pub(crate) struct RobotsRows {
    host_id: Vec<Uuid>,
    record: Vec<Vec<u8>>,
}

impl RobotsRows {
    pub(crate) fn is_empty(&self) -> bool {
        self.host_id.is_empty()
    }

    pub(crate) fn push(&mut self, id: HostId, record: &RobotsRecord) -> Result<(), Failure> {
        self.host_id.push(host_key(id));
        self.record.push(codec::encode(record)?);
        Ok(())
    }

    pub(crate) fn parameters<'a>(&'a self, crawl: &'a i32) -> [Parameter<'a>; 3] {
        [("crawl", crawl), ("host_id", &self.host_id), ("record", &self.record)]
    }
}
