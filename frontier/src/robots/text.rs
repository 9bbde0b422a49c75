//! The small form of a host's rules, as the queue keeps it.
//!
//! First `product-token: TOKEN`, unless the rules are anyone's. Then a line each: `allow: PATTERN`, `disallow: PATTERN`, `crawl-delay: SECONDS`, `sitemap: URL`, patterns in the one
//! spelling of `percent`.

use super::rule::{RobotsRule, RuleKind};
use super::{RobotsRules, crawl_delay};

const PRODUCT_TOKEN: &str = "product-token";

pub(super) fn write(robots: &RobotsRules) -> String {
    let mut text = String::new();
    let mut line = |key: &str, value: &str| {
        text.extend([key, ": ", value, "\n"]);
    };
    if !robots.product_token.is_empty() {
        line(PRODUCT_TOKEN, &robots.product_token);
    }
    for rule in robots.rules.rules() {
        let key = match rule.verdict {
            RuleKind::Allow => "allow",
            RuleKind::Disallow => "disallow",
        };
        line(key, &rule.pattern);
    }
    if let Some(delay) = robots.crawl_delay {
        line("crawl-delay", &crawl_delay::format(delay));
    }
    for sitemap in &robots.sitemaps {
        line("sitemap", sitemap);
    }
    // It is kept, and grew by doubling.
    text.shrink_to_fit();
    text
}

/// Whom the rules in `text` were read for; `None` where they are anyone's.
pub(super) fn product_token(text: &str) -> Option<&str> {
    let (key, value) = text.split('\n').next()?.split_once(": ")?;
    (key == PRODUCT_TOKEN).then_some(value)
}

pub(super) fn read(text: &str) -> RobotsRules {
    let mut rules = Vec::new();
    let mut sitemaps = Vec::new();
    let mut delay = None;
    for (key, value) in text.split('\n').filter_map(|line| line.split_once(": ")) {
        match key {
            "allow" => rules.push(RobotsRule { verdict: RuleKind::Allow, pattern: value.to_owned() }),
            "disallow" => rules.push(RobotsRule { verdict: RuleKind::Disallow, pattern: value.to_owned() }),
            "crawl-delay" => delay = crawl_delay::parse(value.as_bytes()),
            "sitemap" => sitemaps.push(value.to_owned()),
            _ => {}
        }
    }
    let product_token = product_token(text).unwrap_or_default().to_owned();
    RobotsRules { product_token, ..RobotsRules::new(rules, sitemaps, delay) }
}
