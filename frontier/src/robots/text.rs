//! The compact text form of a host's robots rules, as the queue keeps it.
//!
//! The first line is `product-token: TOKEN`, unless the rules apply to any crawler. The other lines are `allow:
//! PATTERN`, `disallow: PATTERN`, `crawl-delay: SECONDS` and `sitemap: URL`. Patterns are in the normal form of
//! `percent`.

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
    // The text is kept for long, and growing has doubled its capacity.
    text.shrink_to_fit();
    text
}

/// Product token that the rules in `text` were selected for. `None` if they apply to any crawler.
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
