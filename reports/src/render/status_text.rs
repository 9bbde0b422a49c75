//! The status of a crawl as text.

use std::fmt::Write;

use super::table::paragraph;
use super::text::{reasons, sitemap_counts};
use crate::status::Status;
use crate::units::count;

/// Formats a status in a few lines of at most 80 columns.
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
    line("Sitemaps", &sitemap_counts(&status.sitemaps));
    line(
        "Entries",
        &format!("{} kept{}", count(status.entries.kept), reasons(", dropped: ", &status.entries.dropped)),
    );
    line("Requests", &count(status.requests));
    if let Some(due_at) = status.next_due_at {
        line("Next", &format!("a host is due at {due_at}"));
    }
    line("Left", &status.remains);
    if let Some(problem) = &status.problem {
        line("Problem", problem);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::State;
    use crate::fixture::small_crawl::{counts, hosts};

    #[test]
    fn an_interrupted_crawl_says_what_is_left_and_how_to_go_on() {
        let status = Status::new(&counts(), &hosts(), false);
        assert_eq!(status.state, State::Interrupted);
        insta::assert_snapshot!(status_text(&status), @r#"
State     interrupted
Hosts     3: 1 done, 1 pending, 1 parked
Tasks     14: 7 done, 7 pending
Sitemaps  11 found: 4 fetched, 1 failed, 6 pending
Entries   1,200 kept
Requests  9
Next      a host is due at 2026-09-21T14:13:21.000000Z
Left      2 tasks on 1 host: `crawl resume` continues them; 5 tasks on 1 parked
          host (the first until 2026-09-21T15:13:20.000000Z): run `crawl resume`
          after that
"#);
    }
}
