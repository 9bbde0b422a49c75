//! Counts of everything found on a host, by its outcome.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::outcome::{ErrorKind, Outcome, SkipReason, TaskOutcome};
use crate::task::{TaskId, TaskKind};
use crate::work_queue::Part;

/// The sitemaps of a host, counted by outcome, and their entries.
///
/// The sum always holds: found = fetched + not_modified + failed + skipped + duplicate + redirected + pending. A
/// robots.txt is not a sitemap and counts only in `errors`. A request for another host's robots.txt does not count. A guessed path counts once its outcome is something
/// other than "nothing there". A refused or repeated URL counts under the host whose document named it. An accepted
/// URL counts under the host that receives the request.
///
/// ```
/// use frontier::{Account, TaskKind};
///
/// let mut account = Account::default();
/// account.take_on(TaskKind::Sitemap);
/// account.repeat(1);
/// assert_eq!((account.found, account.duplicate, account.unfinished()), (2, 1, 1));
/// assert!(account.adds_up() && !account.is_complete());
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Account {
    /// Sitemaps found, the left side of the sum.
    pub found: u64,
    /// Read, possibly not to the end.
    pub fetched: u64,
    /// Unchanged since last read.
    pub not_modified: u64,
    /// Given up after an error.
    pub failed: u64,
    /// Not requested, by reason.
    pub skipped: BTreeMap<SkipReason, u64>,
    /// Named again, or redirected to a URL that was already read.
    pub duplicate: u64,
    /// Redirected to another host.
    pub redirected: u64,
    /// Still to do.
    pub pending: u64,
    /// Guessed paths still to do. They count in `found` only if something is there.
    pub probing: u64,
    /// Whether the robots.txt of this seed is still to be read.
    pub robots_pending: bool,
    /// The part of `fetched` that was not read to the end.
    pub truncated: u64,
    /// Entries kept.
    pub entries: u64,
    /// Entries dropped, by reason.
    pub dropped: BTreeMap<Cow<'static, str>, u64>,
    /// Final errors by kind: of failed, truncated and skipped sitemaps, and of robots.txt.
    pub errors: BTreeMap<ErrorKind, u64>,
    /// What an index named so far, if its children are committed in parts. It counts with the outcome of the index.
    pub parts: Option<Box<PartCounts>>,
}

/// The URLs that an index of this host named and that are no new tasks, in the parts that were committed before its
/// outcome.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PartCounts {
    /// The index.
    pub of: TaskId,
    /// Number of parts committed.
    pub number: u32,
    /// URLs that were known before.
    pub repeats: u64,
    /// URLs that are not accepted, by reason.
    pub refused: BTreeMap<SkipReason, u64>,
}

impl Account {
    /// Tasks still to do, including robots.txt and guessed paths.
    pub fn unfinished(&self) -> u64 {
        self.pending + self.probing + u64::from(self.robots_pending)
    }

    /// Whether nothing of this site is pending, failed, truncated, or skipped by a limit or the site's robots rules.
    pub fn is_complete(&self) -> bool {
        let skipped = self.skipped.keys().any(|reason| reason.error().is_some());
        self.unfinished() == 0
            && self.failed == 0
            && self.truncated == 0
            && !skipped
            && self.errors.is_empty()
    }

    /// Whether the sum in the type's documentation holds.
    pub fn adds_up(&self) -> bool {
        let skipped: u64 = self.skipped.values().sum();
        let known =
            self.fetched + self.not_modified + self.failed + self.duplicate + self.redirected + self.pending;
        self.found == known + skipped
    }

    /// Counts a new task of `kind` on this host.
    pub fn take_on(&mut self, kind: TaskKind) {
        match kind {
            TaskKind::RobotsHop => {}
            TaskKind::Robots => self.robots_pending = true,
            TaskKind::Probe(_) | TaskKind::LastProbe => self.probing += 1,
            TaskKind::Sitemap => {
                self.found += 1;
                self.pending += 1;
            }
        }
    }

    /// Counts `count` known URLs that a document of this host named again.
    pub fn repeat(&mut self, count: u64) {
        self.found += count;
        self.duplicate += count;
    }

    /// Counts `count` URLs that a document of this host named and that are not accepted.
    pub fn refuse(&mut self, reason: SkipReason, count: u64) {
        self.found += count;
        *self.skipped.entry(reason).or_default() += count;
        self.error(reason.error(), count);
    }

    /// Counts the outcome of a pending task of `kind` on this host.
    pub fn settle(&mut self, kind: TaskKind, outcome: &TaskOutcome) {
        self.repeat(outcome.repeats);
        for (&reason, &count) in &outcome.refused {
            self.refuse(reason, count);
        }
        self.settle_parts(outcome);
        if matches!(outcome.outcome, Outcome::Retry(_)) {
            return;
        }
        match kind {
            TaskKind::RobotsHop => return,
            TaskKind::Robots => {
                self.robots_pending = false;
                let error = final_error(&outcome.outcome);
                self.error(error, 1);
                // Both the cause and the consequence count: without robots rules no other request to the site is
                // allowed.
                return self.error(consequence(error), 1);
            }
            TaskKind::Probe(_) | TaskKind::LastProbe => {
                self.probing = self.probing.saturating_sub(1);
                if outcome.outcome == Outcome::Absent {
                    return;
                }
                self.found += 1;
            }
            TaskKind::Sitemap => self.pending = self.pending.saturating_sub(1),
        }
        self.count(&outcome.outcome);
    }

    /// Notes that part `part` of an index of this host is committed. The first part of an index replaces what an
    /// earlier reading of it left here, which a kill has ended.
    pub fn begin_part(&mut self, part: Part) {
        let continued = self.parts.take().filter(|counts| counts.of == part.of && part.number > 1);
        let mut counts = continued.unwrap_or_else(|| {
            let (repeats, refused) = (0, BTreeMap::new());
            Box::new(PartCounts { of: part.of, number: 0, repeats, refused })
        });
        counts.number += 1;
        self.parts = Some(counts);
    }

    /// Counts the parts of an index with its outcome.
    fn settle_parts(&mut self, outcome: &TaskOutcome) {
        let Some(counts) = self.parts.take_if(|counts| counts.of == outcome.task) else { return };
        // Otherwise they are of an earlier reading, which a kill has ended.
        if counts.number == outcome.parts {
            self.repeat(counts.repeats);
            counts.refused.iter().for_each(|(&reason, &count)| self.refuse(reason, count));
        }
    }

    /// Makes a task of `kind` that was given up with `outcome` pending again. Undoes [`Account::settle`].
    pub fn reopen(&mut self, kind: TaskKind, outcome: &Outcome) {
        let error = final_error(outcome);
        self.uncount_error(error);
        match kind {
            TaskKind::RobotsHop => return,
            TaskKind::Robots => {
                self.robots_pending = true;
                return self.uncount_error(consequence(error));
            }
            TaskKind::Probe(_) | TaskKind::LastProbe => {
                self.found = self.found.saturating_sub(1);
                self.probing += 1;
            }
            TaskKind::Sitemap => self.pending += 1,
        }
        match outcome {
            Outcome::Skipped(reason) => decrement(&mut self.skipped, reason),
            _ => self.failed = self.failed.saturating_sub(1),
        }
    }

    fn uncount_error(&mut self, kind: Option<ErrorKind>) {
        if let Some(kind) = kind {
            decrement(&mut self.errors, &kind);
        }
    }

    fn count(&mut self, outcome: &Outcome) {
        self.error(final_error(outcome), 1);
        match outcome {
            Outcome::Fetched(document) => {
                self.fetched += 1;
                self.truncated += u64::from(document.truncated.is_some());
                self.entries += document.entries;
                for (reason, count) in &document.dropped {
                    *self.dropped.entry(reason.clone()).or_default() += count;
                }
            }
            Outcome::NotModified => self.not_modified += 1,
            Outcome::Duplicate => self.duplicate += 1,
            Outcome::Redirected => self.redirected += 1,
            Outcome::Skipped(reason) => *self.skipped.entry(*reason).or_default() += 1,
            // A listed sitemap never ends as absent. If it did, it would count as failed.
            Outcome::Failed(_) | Outcome::Absent => self.failed += 1,
            Outcome::Retry(_) => {}
        }
    }

    fn error(&mut self, kind: Option<ErrorKind>, count: u64) {
        if let Some(kind) = kind {
            *self.errors.entry(kind).or_default() += count;
        }
    }
}

/// Subtracts one from the count of `key`. Removes counts of zero.
fn decrement<K: Ord>(counts: &mut BTreeMap<K, u64>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count = count.saturating_sub(1);
    }
    counts.retain(|_, count| *count > 0);
}

/// What follows from the error of a robots.txt, if that is another error.
fn consequence(error: Option<ErrorKind>) -> Option<ErrorKind> {
    error.map(|_| ErrorKind::RobotsUnreachable).filter(|consequence| error != Some(*consequence))
}

fn final_error(outcome: &Outcome) -> Option<ErrorKind> {
    match outcome {
        Outcome::Fetched(document) => document.truncated,
        Outcome::Skipped(reason) => reason.error(),
        Outcome::Failed(kind) => Some(*kind),
        Outcome::NotModified
        | Outcome::Duplicate
        | Outcome::Redirected
        | Outcome::Absent
        | Outcome::Retry(_) => None,
    }
}
