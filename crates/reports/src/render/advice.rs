//! What to try next, by what went wrong.

use std::collections::BTreeMap;

use crate::{Report, State};

/// Suggestions given, those for the most frequent errors first.
const SUGGESTIONS_MAX: usize = 4;

/// What to try next; nothing where nothing went wrong.
pub(super) fn suggestions(report: &Report) -> Vec<&'static str> {
    let mut lines = Vec::new();
    if report.crawl.tasks_pending > 0 && report.crawl.state == State::Interrupted {
        lines.push("go on with what is left: crawl resume");
    }
    let frequent = by_frequency(&report.errors);
    for advice in frequent.iter().filter_map(|(kind, _)| advice(kind)) {
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

/// What a user can do about errors of a kind; `None` where nothing can be done on this side.
fn advice(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "timeout" | "connect" | "incomplete" | "protocol" | "robots_unreachable" => {
            "ask again those that failed on their way, perhaps with a longer --timeout: crawl resume --retry-failed"
        }
        "dns" => "check the names that do not resolve, or ask another server: --resolver ADDR:PORT",
        "tls" => "trust the authority of certificates of your own: --ca-cert FILE",
        "http_status" => {
            "where sites refuse, say who you are: --user-agent, --contact, or -H for sites of your own"
        }
        "blocked_address" => "let private addresses be contacted, if they are yours: --allow-private",
        "rate_limited" => "go on when the parked hosts may be asked again, at a lower --rate: crawl resume",
        "crawl_delay" => "nothing here: these sites ask for longer delays than this crawler waits",
        "depth_limit" => "read deeper, in a new data directory: --max-depth",
        "count_limit" => {
            "read more of the large sites, in a new data directory: --max-sitemaps, --max-children"
        }
        "robots_disallowed" => "see which rule forbids a sitemap: crawl robots FILE --agent A --url U",
        "parse" | "decode" | "not_a_sitemap" | "too_large" => {
            "see what is wrong with a document: download it, then crawl parse FILE"
        }
        "bad_url" => "tell the publishers of these sitemaps that they list URLs nobody can fetch",
        _ => return None,
    })
}
