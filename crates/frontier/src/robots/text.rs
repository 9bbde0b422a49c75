//! The small form of a host's rules, as the queue keeps it.
//!
//! A line each: `allow: PATTERN`, `disallow: PATTERN`, `crawl-delay: SECONDS`, `sitemap: URL`, patterns in the one
//! spelling of `percent`.

use super::rule::{Rule, Verdict};
use super::{Robots, crawl_delay};

pub(super) fn write(robots: &Robots) -> String {
    let mut text = String::new();
    let mut line = |key: &str, value: &str| {
        text.extend([key, ": ", value, "\n"]);
    };
    for rule in robots.rules.rules() {
        let key = match rule.verdict {
            Verdict::Allow => "allow",
            Verdict::Disallow => "disallow",
        };
        line(key, &rule.pattern);
    }
    if let Some(delay) = robots.crawl_delay {
        line("crawl-delay", &crawl_delay::format(delay));
    }
    for sitemap in &robots.sitemaps {
        line("sitemap", sitemap);
    }
    text
}

pub(super) fn read(text: &str) -> Robots {
    let mut rules = Vec::new();
    let mut sitemaps = Vec::new();
    let mut delay = None;
    for (key, value) in text.split('\n').filter_map(|line| line.split_once(": ")) {
        match key {
            "allow" => rules.push(Rule { verdict: Verdict::Allow, pattern: value.to_owned() }),
            "disallow" => rules.push(Rule { verdict: Verdict::Disallow, pattern: value.to_owned() }),
            "crawl-delay" => delay = crawl_delay::parse(value.as_bytes()),
            "sitemap" => sitemaps.push(value.to_owned()),
            _ => {}
        }
    }
    Robots::new(rules, sitemaps, delay)
}
