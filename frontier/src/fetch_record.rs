//! The record that every request leaves.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::outcome::ErrorKind;
use crate::stage::Stages;
use crate::task::TaskId;
use crate::timestamp::Timestamp;

/// Identifies a session: one run of one worker. Random, never used again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct SessionId(pub u128);

impl std::fmt::Display for SessionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// What a request was for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum RequestKind {
    /// The rules of a host.
    Robots,
    /// A sitemap.
    Sitemap,
    /// A guessed path.
    Probe,
}

/// Whether a request went over a connection of its own making.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Connection {
    /// None was made.
    None,
    /// Made for this request.
    New,
    /// Left by an earlier one.
    Reused,
}

/// One request (each try, each hop, robots.txt too) and where its time went.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct FetchRecord {
    /// The session that made it.
    pub session: SessionId,
    /// The task it was made for.
    pub task: TaskId,
    /// The task whose document named that task.
    pub parent: Option<TaskId>,
    /// What it was for.
    pub kind: RequestKind,
    /// The how manieth try of the task, from 1; redirects followed in place belong to their try.
    pub attempt: u8,
    /// Redirects followed before it within this try.
    pub hop: u8,
    /// When its path began: the task became the host's next one. The ten stages follow from here without a gap.
    pub begun_at: Timestamp,
    /// Where the time went.
    pub stages: Stages,
    /// Body bytes as they came.
    pub bytes_wire: u64,
    /// Body bytes after inflating.
    pub bytes_decoded: u64,
    /// The answer's status, if there was an answer.
    pub status: Option<u16>,
    /// The connection it used.
    pub connection: Connection,
    /// The kind of document that came: see [`crate::outcome::FetchedDocument::document`].
    pub document: Option<Cow<'static, str>>,
    /// Entries read.
    pub entries: u64,
    /// What went wrong.
    pub error: Option<ErrorKind>,
    /// The error in a few words with the URL, safe to print; empty when nothing went wrong.
    pub detail: String,
}
