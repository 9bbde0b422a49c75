//! The groups that apply to us, merged into one (RFC 9309 section 2.2.1).
//!
//! A group is a run of user-agent lines and the rules after it. A user-agent line after a rule begins the next
//! group. Other records neither end nor join groups: in `User-agent: a`, `Crawl-delay: 1`, `User-agent: b`,
//! `Disallow: /` the rule is for both crawlers, but the delay is for `a` alone. The audience of rules and the
//! audience of delays are therefore tracked separately.

use std::collections::HashSet;
use std::time::Duration;

use super::product_token::{product_token, token_of_line};
use super::record::Record;
use super::rule::{RobotsRule, RuleKind};
use super::{RobotsRules, crawl_delay};

/// Reads the records of a file one by one and keeps those for one product token.
pub(super) struct GroupReader<'a> {
    product_token: &'a [u8],
    ours: Group,
    /// The groups of `*`.
    everyones: Group,
    rules_for: Audience,
    delay_for: Audience,
    delay_before_groups: Option<Duration>,
    has_groups: bool,
    sitemaps: Vec<String>,
    sitemaps_seen: HashSet<String>,
}

/// All groups of one name, merged.
#[derive(Default)]
struct Group {
    is_named: bool,
    rules: Vec<RobotsRule>,
    crawl_delay: Option<Duration>,
}

/// The crawlers named by the user-agent lines that apply at this point of the file.
#[derive(Default, Clone, Copy)]
struct Audience {
    us: bool,
    /// Whether `*` is among them.
    everyone: bool,
    /// Whether the next user-agent line begins a new group.
    is_closed: bool,
}

impl<'a> GroupReader<'a> {
    pub(super) fn new(user_agent: &'a str) -> GroupReader<'a> {
        GroupReader {
            product_token: product_token(user_agent).as_bytes(),
            ours: Group::default(),
            everyones: Group::default(),
            rules_for: Audience::default(),
            delay_for: Audience::default(),
            delay_before_groups: None,
            has_groups: false,
            sitemaps: Vec::new(),
            sitemaps_seen: HashSet::new(),
        }
    }

    pub(super) fn take(&mut self, record: Record<'_>) {
        match record {
            Record::UserAgent(value) => self.take_user_agent(value),
            Record::Allow(value) => self.take_rule(RuleKind::Allow, value),
            Record::Disallow(value) => self.take_rule(RuleKind::Disallow, value),
            Record::CrawlDelay(value) => self.take_crawl_delay(value),
            Record::Sitemap(value) => self.take_sitemap(value),
        }
    }

    fn take_user_agent(&mut self, value: &[u8]) {
        let token = token_of_line(value);
        let is_everyone = token == b"*";
        let is_us = !token.is_empty() && token.eq_ignore_ascii_case(self.product_token);
        self.has_groups = true;
        self.everyones.is_named |= is_everyone;
        self.ours.is_named |= is_us;
        self.rules_for.join(is_us, is_everyone);
        self.delay_for.join(is_us, is_everyone);
    }

    fn take_rule(&mut self, verdict: RuleKind, value: &[u8]) {
        self.rules_for.is_closed = true;
        self.delay_for.is_closed = true;
        let Some(rule) = RobotsRule::read(verdict, value) else {
            return;
        };
        if self.rules_for.us {
            self.ours.rules.push(rule.clone());
        }
        if self.rules_for.everyone {
            self.everyones.rules.push(rule);
        }
    }

    fn take_crawl_delay(&mut self, value: &[u8]) {
        let Some(delay) = crawl_delay::parse(value) else {
            return;
        };
        self.delay_for.is_closed = true;
        if self.delay_for.us {
            self.ours.crawl_delay = self.ours.crawl_delay.max(Some(delay));
        }
        if self.delay_for.everyone {
            self.everyones.crawl_delay = self.everyones.crawl_delay.max(Some(delay));
        }
        if !self.has_groups {
            self.delay_before_groups = self.delay_before_groups.max(Some(delay));
        }
    }

    fn take_sitemap(&mut self, value: &[u8]) {
        let sitemap = to_text(value);
        if !sitemap.is_empty() && self.sitemaps_seen.insert(sitemap.clone()) {
            self.sitemaps.push(sitemap);
        }
    }

    /// Returns our own groups if there are any, else those of `*`. A delay above all groups applies if the group has
    /// none of its own. Rules above all groups are ignored.
    pub(super) fn finish(self) -> RobotsRules {
        let group = if self.ours.is_named { self.ours } else { self.everyones };
        RobotsRules::new(group.rules, self.sitemaps, group.crawl_delay.or(self.delay_before_groups))
    }
}

impl Audience {
    fn join(&mut self, is_us: bool, is_everyone: bool) {
        if self.is_closed {
            *self = Audience::default();
        }
        self.us |= is_us;
        self.everyone |= is_everyone;
    }
}

/// The value as text. Octets that are not UTF-8 are percent-encoded, as they would be in a request.
fn to_text(value: &[u8]) -> String {
    let mut text = String::with_capacity(value.len());
    for chunk in value.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|octet| format!("%{octet:02X}")));
    }
    text
}
