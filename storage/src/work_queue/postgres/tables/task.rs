//! The table `task`.

use frontier::work_queue::{Change, GivenUp, TaskState};
use frontier::{HostId, Outcome, Task, TaskId, TaskKind};
use tokio_postgres::Row;
use uuid::Uuid;

use super::Table;
use crate::codec;
use crate::work_queue::postgres::columns::{Columns, array, try_array};
use crate::work_queue::postgres::error::Failure;
use crate::work_queue::postgres::fields::Fields;
use crate::work_queue::postgres::values::{host_id, host_key, moment};

/// Values of the column `state`.
const PENDING: i16 = 0;
const DONE: i16 = 1;
const GIVEN_UP: i16 = 2;
const GIVEN_UP_ROBOTS_UNAVAILABLE: i16 = 3;
const READ_AS: i16 = 4;

/// The columns of a [`Task`].
pub(crate) const TASK: Table = Table {
    name: "task",
    columns: &[
        "host_id",
        "url_hash",
        "url",
        "kind",
        "depth",
        "parent_host",
        "parent_url",
        "hops",
        "attempts",
        "not_before",
        "named_by",
    ],
};

/// Reads a row with the columns of [`TASK`].
pub(crate) fn task(row: &Row) -> Result<Task, Failure> {
    read(&mut Fields::of(TASK.name, row))
}

fn read(task: &mut Fields<'_>) -> Result<Task, Failure> {
    Ok(Task {
        id: id(task, "host_id", "url_hash")?,
        url: task.get("url")?,
        kind: kind(task.get("kind")?)?,
        depth: task.fitting::<u16, i32>("depth")?,
        parent: parent(task)?,
        hops: task.fitting::<u8, i16>("hops")?,
        attempts: task.fitting::<u8, i16>("attempts")?,
        not_before: task.time_if_any("not_before")?,
        named_by: task.get::<Vec<Uuid>>("named_by")?.into_iter().map(host_id).collect(),
    })
}

fn id(task: &mut Fields<'_>, host: &str, url: &str) -> Result<TaskId, Failure> {
    Ok(of_keys(task.get(host)?, task.get(url)?))
}

fn parent(task: &mut Fields<'_>) -> Result<Option<TaskId>, Failure> {
    let (host, url) = (task.get::<Option<Uuid>>("parent_host")?, task.get::<Option<Uuid>>("parent_url")?);
    Ok(host.zip(url).map(|(host, url)| of_keys(host, url)))
}

fn of_keys(host: Uuid, url: Uuid) -> TaskId {
    TaskId { host: host_id(host), url: url.as_u128() }
}

/// Reads the id of a task.
pub(crate) fn task_id(row: &Row) -> Result<TaskId, Failure> {
    id(&mut Fields::of(TASK.name, row), "host_id", "url_hash")
}

/// Reads a row with the columns of [`TASK`], `state` and `outcome`.
pub(crate) fn task_state(row: &Row) -> Result<(TaskId, TaskState), Failure> {
    let mut fields = Fields::of(TASK.name, row);
    let task = read(&mut fields)?;
    let id = task.id;
    let state = match fields.get("state")? {
        PENDING => TaskState::Pending(task),
        READ_AS => TaskState::ReadAs,
        _ => TaskState::Done { task, outcome: fields.decoded("outcome")? },
    };
    Ok((id, state))
}

/// Reads a task that was given up.
pub(crate) fn given_up(row: &Row) -> Result<GivenUp, Failure> {
    let mut fields = Fields::of(TASK.name, row);
    let task = id(&mut fields, "host_id", "url_hash")?;
    let robots_unavailable = fields.get::<i16>("state")? == GIVEN_UP_ROBOTS_UNAVAILABLE;
    Ok(GivenUp { task, robots_unavailable })
}

fn kind_key(kind: TaskKind) -> i16 {
    match kind {
        TaskKind::Robots => 0,
        TaskKind::Sitemap => 1,
        TaskKind::LastProbe => 2,
        TaskKind::RobotsHop => 3,
        TaskKind::Probe(n) => 4 + i16::from(n),
    }
}

fn kind(key: i16) -> Result<TaskKind, Failure> {
    match key {
        0 => Ok(TaskKind::Robots),
        1 => Ok(TaskKind::Sitemap),
        2 => Ok(TaskKind::LastProbe),
        3 => Ok(TaskKind::RobotsHop),
        n => u8::try_from(n - 4).map(TaskKind::Probe).map_err(|_| Failure::damaged("task", "kind")),
    }
}

/// A row that a commit inserts or updates.
struct TaskRow<'a> {
    id: TaskId,
    state: i16,
    /// `None` for a URL that never was a task. Its columns get default values.
    task: Option<&'a Task>,
    outcome: Option<&'a Outcome>,
}

impl<'a> TaskRow<'a> {
    fn of(id: TaskId, state: &'a TaskState) -> Self {
        let (state, task, outcome) = match state {
            TaskState::Pending(task) => (PENDING, Some(task), None),
            TaskState::ReadAs => (READ_AS, None, None),
            TaskState::Done { task, outcome } => {
                let state = match GivenUp::of(id, task.kind, outcome) {
                    None => DONE,
                    Some(GivenUp { robots_unavailable: false, .. }) => GIVEN_UP,
                    Some(GivenUp { robots_unavailable: true, .. }) => GIVEN_UP_ROBOTS_UNAVAILABLE,
                };
                (state, Some(task), Some(outcome))
            }
        };
        Self { id, state, task, outcome }
    }

    fn parent(&self) -> Option<TaskId> {
        self.task.and_then(|task| task.parent)
    }
}

/// Tasks that a commit inserts or updates.
pub(crate) fn task_rows(tasks: &[(&TaskId, &Change<TaskState>)]) -> Result<Columns, Failure> {
    let rows: Vec<TaskRow<'_>> = tasks.iter().map(|(id, change)| TaskRow::of(**id, &change.after)).collect();
    let columns = vec![
        ("host_id", array(&rows, |row| host_key(row.id.host))),
        ("url_hash", array(&rows, |row| Uuid::from_u128(row.id.url))),
        ("state", array(&rows, |row| row.state)),
        ("priority", array(&rows, |row| row.task.map_or(0, |task| i32::from(task.priority())))),
        ("kind", array(&rows, |row| row.task.map_or(1, |task| kind_key(task.kind)))),
        ("depth", array(&rows, |row| row.task.map_or(0, |task| i32::from(task.depth)))),
        ("hops", array(&rows, |row| row.task.map_or(0, |task| i16::from(task.hops)))),
        ("attempts", array(&rows, |row| row.task.map_or(0, |task| i16::from(task.attempts)))),
        ("not_before", array(&rows, |row| row.task.and_then(|task| task.not_before).map(moment))),
        ("url", array(&rows, |row| row.task.map_or_else(String::new, |task| task.url.clone()))),
        ("parent_host", array(&rows, |row| row.parent().map(|parent| host_key(parent.host)))),
        ("parent_url", array(&rows, |row| row.parent().map(|parent| Uuid::from_u128(parent.url)))),
        ("named_by", array(&rows, |row| host_array(row.task.map_or(&[], |task| &task.named_by)))),
        ("outcome", try_array(&rows, |row| row.outcome.map(codec::encode).transpose())?),
    ];
    Ok(Columns::of(&rows, columns))
}

/// An array as text, such as `{a,b}`. PostgreSQL requires all inner arrays of a nested array to have the same length,
/// so the arrays of several tasks are sent as texts.
fn host_array(hosts: &[HostId]) -> String {
    let keys: Vec<String> = hosts.iter().map(|&id| host_key(id).to_string()).collect();
    format!("{{{}}}", keys.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_read_back() {
        for of in [
            TaskKind::Robots,
            TaskKind::Sitemap,
            TaskKind::LastProbe,
            TaskKind::RobotsHop,
            TaskKind::Probe(0),
            TaskKind::Probe(u8::MAX),
        ] {
            assert_eq!(kind(kind_key(of)).unwrap(), of);
        }
    }
}
