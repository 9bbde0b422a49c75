//! What a crawl tells its caller while it runs.

use std::borrow::Cow;
use std::collections::BTreeMap;

use arrow_array::RecordBatch;
use frontier::work_queue::HostRecord;
use frontier::{
    Account, DocumentKind, ErrorKind, FetchRecord, FetchedDocument, Outcome, Request, TaskKind, TaskOutcome,
    Timestamp,
};
use storage::FinishedRows;

use crate::entry::Entry;
use crate::error::Error;

/// Something that a crawl has finished and made durable.
///
/// Each comes once in the run that finished it. A later run of the same crawl does not repeat it; [`crate::Results`]
/// has what all runs found.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A document was read, possibly not to its end.
    Document(Document),
    /// A sitemap or a host was given up, or a rule forbids it.
    Failed(Failure),
    /// A host has nothing left to do. If another site names a sitemap of it later, this comes once more.
    Host(HostAccount),
}

/// A sitemap, index or feed that was read.
#[derive(Clone)]
pub struct Document {
    /// Its final URL, after redirects.
    pub url: String,
    /// Origin of its host.
    pub host: String,
    /// What it is.
    pub kind: DocumentKind,
    /// Number of entries kept.
    pub entry_count: u64,
    /// Number of entries dropped, by reason.
    pub dropped: BTreeMap<Cow<'static, str>, u64>,
    /// Number of problems found while reading.
    pub problems: u64,
    /// Why it was not read to its end. `None` if it was.
    pub truncated: Option<ErrorKind>,
    /// When its last byte was read.
    pub fetched_at: Timestamp,
    rows: Option<FinishedRows>,
}

/// A sitemap or a host that was given up, or that a rule forbids.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// The URL that failed.
    pub url: String,
    /// Origin of its host.
    pub host: String,
    /// Whether the whole host failed, because its robots.txt could not be fetched.
    pub is_host: bool,
    /// What went wrong.
    pub error: ErrorKind,
    /// A description for people. Empty if no request was made.
    pub detail: String,
    /// Number of attempts made.
    pub attempts: u8,
}

/// A host that has nothing left to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HostAccount {
    /// Origin of the host.
    pub host: String,
    /// Whether a seed names it.
    pub is_seed: bool,
    /// Whether nothing of it failed, was cut short, or was skipped by a limit.
    pub is_complete: bool,
    /// Its sitemaps and entries, by outcome.
    pub account: Account,
}

impl Event {
    /// The event of a finished task. `None` if it ended as nothing that a caller needs to know: a duplicate, a redirect
    /// or a guess that found nothing.
    pub(crate) fn of(
        request: &Request,
        outcome: &TaskOutcome,
        record: Option<&FetchRecord>,
        rows: Option<FinishedRows>,
        read_at: Timestamp,
    ) -> Option<Self> {
        if request.step.task.kind == TaskKind::RobotsHop {
            // The host that waits for it fails, if this failed.
            return None;
        }
        let error = match &outcome.outcome {
            Outcome::Fetched(document) if document.document != DocumentKind::Robots => {
                return Some(Self::Document(Document::of(request, document, rows, read_at)));
            }
            Outcome::Failed(error) => *error,
            Outcome::Skipped(reason) => reason.error()?,
            _ => return None,
        };
        Some(Self::Failed(Failure {
            url: request.url().to_owned(),
            host: request.step.host.to_string(),
            is_host: request.step.task.kind == TaskKind::Robots,
            error,
            detail: record.map_or_else(String::new, |record| record.detail.clone()),
            attempts: outcome.attempts,
        }))
    }
}

impl Document {
    fn of(
        request: &Request,
        document: &FetchedDocument,
        rows: Option<FinishedRows>,
        read_at: Timestamp,
    ) -> Self {
        Self {
            url: request.url().to_owned(),
            host: request.step.host.to_string(),
            kind: document.document,
            entry_count: document.entries,
            dropped: document.dropped.clone(),
            problems: document.problems,
            truncated: document.truncated,
            fetched_at: read_at,
            rows,
        }
    }

    /// Its entries, in its order. An index has none.
    ///
    /// They are in memory or in a temporary file of the crawl, and are decoded batch by batch. They can be read until
    /// the crawl is finished or dropped.
    ///
    /// # Errors
    /// If the temporary file cannot be read.
    pub fn entries(&self) -> Result<impl Iterator<Item = Result<Entry, Error>> + use<>, Error> {
        Ok(crate::entry::entries(self.batches()?))
    }

    /// Its entries as Arrow batches of [`storage::schema`], without copies.
    ///
    /// # Errors
    /// If the temporary file cannot be read.
    pub fn batches(&self) -> Result<impl Iterator<Item = Result<RecordBatch, Error>> + use<>, Error> {
        let batches = self.rows.as_ref().map(FinishedRows::batches).transpose()?;
        Ok(batches.into_iter().flatten().map(|batch| Ok(batch?)))
    }
}

impl std::fmt::Debug for Document {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { url, kind, entry_count, truncated, .. } = self;
        f.debug_struct("Document")
            .field("url", url)
            .field("kind", kind)
            .field("entry_count", entry_count)
            .field("truncated", truncated)
            .finish_non_exhaustive()
    }
}

impl From<HostRecord> for HostAccount {
    fn from(record: HostRecord) -> Self {
        let is_complete = !record.parked && record.account.is_complete();
        Self { host: record.host.to_string(), is_seed: record.is_seed, is_complete, account: record.account }
    }
}
