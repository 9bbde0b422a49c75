//! How a crawl ended.

use reports::{Report, Verdict};

use crate::engine::Ended;

/// How a crawl ended: counts, completeness and, for a crawl on one machine, the whole report.
#[derive(Clone, Debug)]
pub struct Summary {
    ended: Ended,
    totals: Totals,
    report: Option<Box<Report>>,
}

/// The totals over all runs of a crawl.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(crate) struct Totals {
    pub hosts: u64,
    pub hosts_incomplete: u64,
    pub entries: u64,
    pub requests: u64,
    pub tasks_pending: u64,
}

impl Summary {
    pub(crate) fn of_report(ended: Ended, report: Report) -> Self {
        let totals = Totals {
            hosts: report.totals.hosts.known,
            hosts_incomplete: report.totals.hosts.incomplete(),
            entries: report.totals.entries.kept,
            requests: report.totals.requests,
            tasks_pending: report.crawl.tasks_pending,
        };
        Self { ended, totals, report: Some(Box::new(report)) }
    }

    #[cfg(feature = "shared")]
    pub(crate) fn of_totals(ended: Ended, totals: Totals) -> Self {
        Self { ended, totals, report: None }
    }

    /// Whether the crawl ran to its end or was stopped.
    pub fn ended(&self) -> Ended {
        self.ended
    }

    /// Hosts known.
    pub fn hosts(&self) -> u64 {
        self.totals.hosts
    }

    /// Hosts of which something is pending, parked, failed, cut short, or skipped by a limit.
    pub fn hosts_incomplete(&self) -> u64 {
        self.totals.hosts_incomplete
    }

    /// Entries kept.
    pub fn entries(&self) -> u64 {
        self.totals.entries
    }

    /// Requests made, including robots.txt, redirects and retries.
    pub fn requests(&self) -> u64 {
        self.totals.requests
    }

    /// Tasks that are not finished.
    pub fn tasks_pending(&self) -> u64 {
        self.totals.tasks_pending
    }

    /// The whole report, with each host. `None` for a crawl that several machines share: each sees only its own part,
    /// and [`crate::Results`] reads all of them.
    pub fn report(&self) -> Option<&Report> {
        self.report.as_deref()
    }

    /// What limited the crawl, and what would shorten it. `None` where there is no report.
    pub fn verdict(&self) -> Option<&Verdict> {
        Some(&self.report()?.verdict)
    }
}
