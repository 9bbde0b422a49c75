//! For people: how far a crawl is.

use std::fmt::Write;

use super::table::paragraph;
use super::text::{fates, reasons};
use crate::Status;
use crate::units::count;

/// A status in a few lines of 80 columns.
pub fn status_text(status: &Status) -> String {
    let (hosts, tasks) = (&status.hosts, &status.tasks);
    let mut text = String::new();
    let mut line = |head: &str, body: &str| {
        let _ = text.write_str(&paragraph(&format!("{head:<10}"), body));
    };
    line("State", status.state.as_str());
    line(
        "Hosts",
        &format!(
            "{}: {} done, {} pending, {} parked",
            count(hosts.known),
            count(hosts.done),
            count(hosts.pending),
            count(hosts.parked)
        ),
    );
    line(
        "Tasks",
        &format!("{}: {} done, {} pending", count(tasks.known), count(tasks.done), count(tasks.pending)),
    );
    line("Sitemaps", &fates(&status.sitemaps));
    line(
        "Entries",
        &format!("{} kept{}", count(status.entries.kept), reasons(", dropped: ", &status.entries.dropped)),
    );
    line("Requests", &count(status.requests));
    if let Some(due_at) = status.next_due_at {
        line("Next", &format!("a host may be asked from {due_at} on"));
    }
    line("Left", &status.remains);
    text
}
