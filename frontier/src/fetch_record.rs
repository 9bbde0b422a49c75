//! The record that is kept of every request.

use serde::{Deserialize, Serialize};

use crate::outcome::{DocumentKind, ErrorKind};
use crate::stage::Stages;
use crate::task::TaskId;
use crate::timestamp::Timestamp;

/// Identifies a session: one run of one worker. Random and never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct SessionId(pub u128);

impl std::fmt::Display for SessionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// The purpose of a request.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum RequestKind {
    /// The robots.txt of a host.
    Robots,
    /// A sitemap.
    Sitemap,
    /// A guessed sitemap path.
    Probe,
}

/// The connection that a request used.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Connection {
    /// No connection was made.
    None,
    /// A connection made for this request.
    New,
    /// A connection kept open by an earlier request.
    Reused,
}

/// One request and its timing. Each attempt, each redirect hop and each robots.txt request has a record of its own.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct FetchRecord {
    /// The session that made it.
    pub session: SessionId,
    /// The task it was made for.
    pub task: TaskId,
    /// The task whose document named that task.
    pub parent: Option<TaskId>,
    /// Its purpose.
    pub kind: RequestKind,
    /// Attempt number, from 1. Redirects followed within the host belong to the same attempt.
    pub attempt: u8,
    /// Redirects followed before it within this attempt.
    pub hop: u8,
    /// Start of its path: when the task became the host's next one. The ten stages follow from here without a gap.
    pub begun_at: Timestamp,
    /// Time spent in each stage.
    pub stages: Stages,
    /// Body bytes as received.
    pub bytes_wire: u64,
    /// Body bytes after decompression.
    pub bytes_decoded: u64,
    /// HTTP status of the answer, if there was one.
    pub status: Option<u16>,
    /// The connection that it used.
    pub connection: Connection,
    /// The kind of document received. `None` if there was none.
    pub document: Option<DocumentKind>,
    /// Number of entries read.
    pub entries: u64,
    /// What went wrong.
    pub error: Option<ErrorKind>,
    /// A short description of the error with the URL, safe to print. Empty if nothing went wrong.
    pub detail: String,
}
