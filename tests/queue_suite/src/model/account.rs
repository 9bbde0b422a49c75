//! The account of a host, counted from what is known of its URLs.

use std::collections::BTreeMap;

use frontier::account::PartCounts;
use frontier::{Account, ErrorKind, HostId, Outcome, TaskKind};

use super::{FoundUrl, Parts, State};

impl State {
    /// What the account of `host` must be.
    pub(super) fn account(&self, host: HostId) -> Account {
        let mut account = Account::default();
        self.urls_of(host).for_each(|url| count_url(&mut account, url));
        for (_, reason) in self.not_accepted.iter().filter(|(of, _)| *of == host) {
            account.found += 1;
            match reason {
                None => account.duplicate += 1,
                Some(reason) => {
                    *account.skipped.entry(*reason).or_default() += 1;
                    count_error(&mut account, reason.error());
                }
            }
        }
        account.parts = self.parts.get(&host).map(|parts| Box::new(part_counts(parts)));
        account
    }
}

fn part_counts(parts: &Parts) -> PartCounts {
    let mut counts = PartCounts { of: parts.of, number: parts.number, repeats: 0, refused: BTreeMap::new() };
    for reason in &parts.not_accepted {
        match reason {
            None => counts.repeats += 1,
            Some(reason) => *counts.refused.entry(*reason).or_default() += 1,
        }
    }
    counts
}

fn count_url(account: &mut Account, FoundUrl { task, ended, .. }: &FoundUrl) {
    match (task.kind, ended) {
        (TaskKind::RobotsHop, _) => {}
        (TaskKind::Robots, None) => account.robots_pending = true,
        (TaskKind::Robots, Some(outcome)) => {
            count_error(account, error_of(outcome));
            // No other URL of the host may be requested then.
            let is_cause = |error: &ErrorKind| *error != ErrorKind::RobotsUnreachable;
            let cause = error_of(outcome).filter(is_cause);
            count_error(account, cause.map(|_| ErrorKind::RobotsUnreachable));
        }
        (TaskKind::Probe(_) | TaskKind::LastProbe, None) => account.probing += 1,
        (TaskKind::Probe(_) | TaskKind::LastProbe, Some(Outcome::Absent)) => {}
        (_, ended) => {
            account.found += 1;
            match ended {
                None => account.pending += 1,
                Some(outcome) => count_ended(account, outcome),
            }
        }
    }
}

fn count_ended(account: &mut Account, outcome: &Outcome) {
    count_error(account, error_of(outcome));
    match outcome {
        Outcome::Fetched(document) => {
            account.fetched += 1;
            account.truncated += u64::from(document.truncated.is_some());
            account.entries += document.entries;
            for (reason, count) in &document.dropped {
                *account.dropped.entry(reason.clone()).or_default() += count;
            }
        }
        Outcome::NotModified => account.not_modified += 1,
        Outcome::Duplicate => account.duplicate += 1,
        Outcome::Redirected => account.redirected += 1,
        Outcome::Skipped(reason) => *account.skipped.entry(*reason).or_default() += 1,
        Outcome::Failed(_) | Outcome::Absent => account.failed += 1,
        Outcome::Retry(_) => panic!("a task to be tried again has not ended"),
    }
}

fn error_of(outcome: &Outcome) -> Option<ErrorKind> {
    match outcome {
        Outcome::Fetched(document) => document.truncated,
        Outcome::Skipped(reason) => reason.error(),
        Outcome::Failed(kind) => Some(*kind),
        _ => None,
    }
}

fn count_error(account: &mut Account, error: Option<ErrorKind>) {
    if let Some(error) = error {
        *account.errors.entry(error).or_default() += 1;
    }
}
