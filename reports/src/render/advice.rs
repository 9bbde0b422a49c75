//! Suggestions for the errors of a crawl.

use std::collections::BTreeMap;

use crate::figures::State;
use crate::report::Report;
use crate::status::RESUME;

/// Largest number of suggestions. Those for the most frequent errors come first.
const SUGGESTIONS_MAX: usize = 4;

/// Suggestions for what to do next; empty if there were no errors.
pub(super) fn suggestions(report: &Report) -> Vec<String> {
    let resume = report.resumed_by.as_str();
    let mut lines = Vec::new();
    if report.crawl.tasks_pending > 0 && report.crawl.state == State::Interrupted {
        lines.push(format!("continue the crawl: {resume}"));
    }
    let frequent = by_frequency(&report.answers.errors);
    for advice in frequent.iter().filter_map(|(kind, _)| advice(kind, resume)) {
        if !lines.contains(&advice) {
            lines.push(advice);
        }
    }
    lines.truncate(SUGGESTIONS_MAX);
    lines
}

/// Error counts by kind, most frequent first.
pub(super) fn by_frequency(errors: &BTreeMap<&'static str, u64>) -> Vec<(&'static str, u64)> {
    let mut errors: Vec<_> = errors.iter().map(|(kind, number)| (*kind, *number)).collect();
    errors.sort_by_key(|(_, number)| std::cmp::Reverse(*number));
    errors
}

/// What a user can do about errors of a kind; `None` if nothing. `resume` is the command that continues the crawl.
fn advice(kind: &str, resume: &str) -> Option<String> {
    let again = if resume == RESUME { "in a new data directory" } else { "under another name, --crawl NAME" };
    Some(match kind {
        "timeout" | "connect" | "incomplete" | "protocol" | "robots_unreachable" => {
            format!("retry requests that failed, perhaps with a longer --timeout: {resume} --retry-failed")
        }
        "dns" => {
            "check the host names that do not resolve, or use another DNS server: --resolver ADDR:PORT".to_owned()
        }
        "tls" => "trust the certificate authority of sites of your own: --ca-cert FILE".to_owned(),
        "http_status" => {
            "if sites refuse requests, identify yourself: --user-agent, --contact, or -H for sites of your own"
                .to_owned()
        }
        "blocked_address" => {
            "allow private addresses if they are yours: --allow-private".to_owned()
        }
        "blocked_port" => {
            "give such a site as a seed if its port is right: crawl --seed http://HOST:PORT/".to_owned()
        }
        // The workers of a shared crawl keep the rate with which it was started.
        "rate_limited" => {
            let slower = if resume == RESUME { ", at a lower --rate" } else { "" };
            format!("continue when the parked hosts are due{slower}: {resume}")
        }
        "crawl_delay" => "nothing: these sites ask for longer delays than the crawler accepts".to_owned(),
        "depth_limit" => format!("follow indexes deeper, {again}: --max-depth"),
        "count_limit" => {
            format!("read more sitemaps of large sites, {again}: --max-sitemaps, --max-children")
        }
        "robots_disallowed" => {
            "check a sitemap against a robots.txt: crawl robots FILE --agent A --url U".to_owned()
        }
        "parse" | "decode" | "not_a_sitemap" | "too_large" => {
            "to see what is wrong with a document, download it and run: crawl parse FILE".to_owned()
        }
        "bad_url" => "tell the publishers of these sitemaps that they list URLs that cannot be fetched".to_owned(),
        _ => return None,
    })
}
