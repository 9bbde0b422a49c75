//! What became of everything found on a host.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::outcome::{ErrorKind, Outcome, SkipReason, TaskOutcome};
use crate::task::TaskKind;

/// The sitemaps of a host by what became of them, and the entries they held.
///
/// It always adds up: found = fetched + not_modified + failed + skipped + duplicate + redirected + pending.
/// robots.txt is no sitemap and counts nowhere here but in `errors`; a guessed path counts once something other
/// than "nothing there" came of it. A URL that is refused or a repeat counts under the host whose document named
/// it, a URL that is taken on under the host that is asked.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Account {
    /// All of the below.
    pub found: u64,
    /// Read, perhaps not to the end.
    pub fetched: u64,
    /// Unchanged since last read.
    pub not_modified: u64,
    /// Given up.
    pub failed: u64,
    /// Not asked, by reason.
    pub skipped: BTreeMap<SkipReason, u64>,
    /// Named again, or the same final URL.
    pub duplicate: u64,
    /// Passed on to another host.
    pub redirected: u64,
    /// Still to do.
    pub pending: u64,
    /// Guessed paths still to do; they count in `found` only when something comes of them.
    pub probing: u64,
    /// Whether robots.txt of this seed is still to be read.
    pub robots_pending: bool,
    /// Of `fetched`, those not read to their end.
    pub truncated: u64,
    /// Entries kept.
    pub entries: u64,
    /// Entries dropped, by reason.
    pub dropped: BTreeMap<Cow<'static, str>, u64>,
    /// Final errors by kind: of sitemaps, of truncated documents, of skipped ones, and of robots.txt.
    pub errors: BTreeMap<ErrorKind, u64>,
}

impl Account {
    /// Tasks still to do, robots.txt and guesses included.
    pub fn unfinished(&self) -> u64 {
        self.pending + self.probing + u64::from(self.robots_pending)
    }

    /// Whether nothing of this site is pending, failed, skipped by a limit or a site's rule, or truncated.
    pub fn is_complete(&self) -> bool {
        let skipped = self.skipped.keys().any(|reason| reason.error().is_some());
        self.unfinished() == 0
            && self.failed == 0
            && self.truncated == 0
            && !skipped
            && self.errors.is_empty()
    }

    /// Whether both sides of the sum are equal.
    pub fn adds_up(&self) -> bool {
        let skipped: u64 = self.skipped.values().sum();
        let known =
            self.fetched + self.not_modified + self.failed + self.duplicate + self.redirected + self.pending;
        self.found == known + skipped
    }

    /// A task of `kind` on this host was taken on.
    pub fn take_on(&mut self, kind: TaskKind) {
        match kind {
            TaskKind::Robots => self.robots_pending = true,
            TaskKind::Probe(_) => self.probing += 1,
            TaskKind::Sitemap => {
                self.found += 1;
                self.pending += 1;
            }
        }
    }

    /// A document of this host named a URL that is known already.
    pub fn repeat(&mut self) {
        self.found += 1;
        self.duplicate += 1;
    }

    /// A document of this host named `count` URLs that are not taken on.
    pub fn refuse(&mut self, reason: SkipReason, count: u64) {
        self.found += count;
        *self.skipped.entry(reason).or_default() += count;
        self.error(reason.error(), count);
    }

    /// A pending task of `kind` on this host came to `outcome`.
    pub fn settle(&mut self, kind: TaskKind, outcome: &TaskOutcome) {
        for (&reason, &count) in &outcome.refused {
            self.refuse(reason, count);
        }
        if matches!(outcome.outcome, Outcome::Retry(_)) {
            return;
        }
        match kind {
            TaskKind::Robots => {
                self.robots_pending = false;
                let error = final_error(&outcome.outcome);
                self.error(error, 1);
                // The cause and the consequence: without its rules nothing of the site may be asked.
                return self.error(error.map(|_| ErrorKind::RobotsUnreachable), 1);
            }
            TaskKind::Probe(_) => {
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

    /// A task of `kind` that was given up with `outcome` is pending again: undoes what [`Account::settle`] counted.
    pub fn reopen(&mut self, kind: TaskKind, outcome: &Outcome) {
        let error = final_error(outcome);
        self.forgive(error);
        match kind {
            TaskKind::Robots => {
                self.robots_pending = true;
                return self.forgive(error.map(|_| ErrorKind::RobotsUnreachable));
            }
            TaskKind::Probe(_) => {
                self.found = self.found.saturating_sub(1);
                self.probing += 1;
            }
            TaskKind::Sitemap => self.pending += 1,
        }
        match outcome {
            Outcome::Skipped(reason) => take_one(&mut self.skipped, reason),
            _ => self.failed = self.failed.saturating_sub(1),
        }
    }

    fn forgive(&mut self, kind: Option<ErrorKind>) {
        if let Some(kind) = kind {
            take_one(&mut self.errors, &kind);
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
            // A listed sitemap is never absent without an error; should it be said, it counts as failed.
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

/// Counts one less; nothing is left of a count of zero.
fn take_one<K: Ord>(counts: &mut BTreeMap<K, u64>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count = count.saturating_sub(1);
    }
    counts.retain(|_, count| *count > 0);
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
