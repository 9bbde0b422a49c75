//! What to try next, by what went wrong.

use std::collections::BTreeMap;

use crate::{RESUME, Report, State};

/// Suggestions given, those for the most frequent errors first.
const SUGGESTIONS_MAX: usize = 4;

/// What to try next; nothing where nothing went wrong.
pub(super) fn suggestions(report: &Report) -> Vec<String> {
    let resume = report.resumed_by.as_str();
    let mut lines = Vec::new();
    if report.crawl.tasks_pending > 0 && report.crawl.state == State::Interrupted {
        lines.push(format!("go on with what is left: {resume}"));
    }
    let frequent = by_frequency(&report.errors);
    for advice in frequent.iter().filter_map(|(kind, _)| advice(kind, resume)) {
        if !lines.contains(&advice) {
            lines.push(advice);
        }
    }
    lines.truncate(SUGGESTIONS_MAX);
    lines
}

/// Errors by kind, the most frequent first.
pub(super) fn by_frequency(errors: &BTreeMap<&'static str, u64>) -> Vec<(&'static str, u64)> {
    let mut errors: Vec<_> = errors.iter().map(|(kind, number)| (*kind, *number)).collect();
    errors.sort_by_key(|(_, number)| std::cmp::Reverse(*number));
    errors
}

/// What a user can do about errors of a kind, `resume` being the command that goes on with the crawl; `None` where nothing
/// can be done on this side.
fn advice(kind: &str, resume: &str) -> Option<String> {
    let anew = if resume == RESUME { "in a new data directory" } else { "under another name, --crawl NAME" };
    Some(match kind {
        "timeout" | "connect" | "incomplete" | "protocol" | "robots_unreachable" => {
            format!(
                "ask again those that failed on their way, perhaps with a longer --timeout: {resume} --retry-failed"
            )
        }
        "dns" => {
            "check the names that do not resolve, or ask another server: --resolver ADDR:PORT".to_owned()
        }
        "tls" => "trust the authority of certificates of your own: --ca-cert FILE".to_owned(),
        "http_status" => {
            "where sites refuse, say who you are: --user-agent, --contact, or -H for sites of your own"
                .to_owned()
        }
        "blocked_address" => {
            "let private addresses be contacted, if they are yours: --allow-private".to_owned()
        }
        // The workers of a shared crawl keep the rate that it was started with.
        "rate_limited" => {
            let slower = if resume == RESUME { ", at a lower --rate" } else { "" };
            format!("go on when the parked hosts may be asked again{slower}: {resume}")
        }
        "crawl_delay" => "nothing here: these sites ask for longer delays than this crawler waits".to_owned(),
        "depth_limit" => format!("read deeper, {anew}: --max-depth"),
        "count_limit" => {
            format!("read more of the large sites, {anew}: --max-sitemaps, --max-children")
        }
        "robots_disallowed" => {
            "see which rule forbids a sitemap: crawl robots FILE --agent A --url U".to_owned()
        }
        "parse" | "decode" | "not_a_sitemap" | "too_large" => {
            "see what is wrong with a document: download it, then crawl parse FILE".to_owned()
        }
        "bad_url" => "tell the publishers of these sitemaps that they list URLs nobody can fetch".to_owned(),
        _ => return None,
    })
}
