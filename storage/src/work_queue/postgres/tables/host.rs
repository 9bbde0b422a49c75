//! The tables `host` and `robots`.

use std::collections::BTreeSet;
use std::time::SystemTime;

use frontier::work_queue::{Change, HostRecord, LeasedHost, Loaded, RobotsRecord, Session};
use frontier::{Host, HostId, Timestamp};
use tokio_postgres::Row;
use url::Url;

use super::Table;
use crate::codec;
use crate::work_queue::postgres::columns::{Columns, array, try_array};
use crate::work_queue::postgres::error::Failure;
use crate::work_queue::postgres::fields::Fields;
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

/// Hosts that a commit inserts or updates, with the `leased` ones among them.
pub(crate) fn host_rows(
    hosts: &[(&HostId, &Change<HostRecord>)],
    leased: &BTreeSet<HostId>,
) -> Result<Columns, Failure> {
    let due_at = |id: &HostId, record: &HostRecord| {
        if leased.contains(id) { None } else { due_at(record) }
    };
    let encoded_redirect = |record: &HostRecord| record.redirect.as_ref().map(codec::encode).transpose();
    let columns = vec![
        ("host_id", array(hosts, |(id, _)| host_key(**id))),
        ("origin", array(hosts, |(_, host)| host.after.host.to_string())),
        ("is_seed", array(hosts, |(_, host)| host.after.is_seed)),
        ("is_site", array(hosts, |(_, host)| host.after.is_site)),
        ("hops", array(hosts, |(_, host)| signed(host.after.hops))),
        ("redirect", try_array(hosts, |(_, host)| encoded_redirect(&host.after))?),
        ("due_at", array(hosts, |(id, host)| due_at(id, &host.after).map(moment))),
        ("not_before", array(hosts, |(_, host)| host.after.not_before.map(moment))),
        ("inbox", array(hosts, |(_, host)| signed(host.after.inbox))),
        ("accepted", array(hosts, |(_, host)| signed(host.after.accepted))),
        ("unfinished", array(hosts, |(_, host)| signed(host.after.account.unfinished()))),
        ("wall_us", array(hosts, |(_, host)| signed(host.after.wall_us))),
        ("busy_session", array(hosts, |(_, host)| busy_session(&host.after))),
        ("busy_since", array(hosts, |(_, host)| busy_since(&host.after))),
        ("account", try_array(hosts, |(_, host)| codec::encode(&host.after.account))?),
    ];
    Ok(Columns::of(hosts, columns))
}

/// Hosts that are released or reclaimed. The parameter `reaped` says which of the two.
pub(crate) fn released_hosts(hosts: &[(HostId, HostRecord)]) -> Columns {
    let columns = vec![
        ("host_id", array(hosts, |(id, _)| host_key(*id))),
        ("due_at", array(hosts, |(_, record)| due_at(record).map(moment))),
        ("not_before", array(hosts, |(_, record)| record.not_before.map(moment))),
        ("parked", array(hosts, |(_, record)| record.parked)),
        ("wall_us", array(hosts, |(_, record)| signed(record.wall_us))),
        ("busy_session", array(hosts, |(_, record)| busy_session(record))),
        ("busy_since", array(hosts, |(_, record)| busy_since(record))),
    ];
    Columns::of(hosts, columns)
}

fn busy_session(record: &HostRecord) -> Option<i32> {
    record.busy_since.map(|(session, _)| number_key(session))
}

fn busy_since(record: &HostRecord) -> Option<SystemTime> {
    record.busy_since.map(|(_, since)| moment(since))
}

/// robots.txt rules that a commit writes.
pub(crate) fn robots_rows(robots: &[(&HostId, &&RobotsRecord)]) -> Result<Columns, Failure> {
    let columns = vec![
        ("host_id", array(robots, |(id, _)| host_key(**id))),
        ("record", try_array(robots, |(_, record)| codec::encode(record))?),
    ];
    Ok(Columns::of(robots, columns))
}
