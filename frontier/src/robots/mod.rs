//! Robots rules: what a host's robots.txt says to our crawler (RFC 9309).
//!
//! `record` splits the bytes into records, `group` keeps those that apply to us, `rule` normalises each path pattern
//! with `percent`, and `rule_set` decides about a URL. `text` converts the rules to the form that the queue keeps.
//! Where the standard leaves a choice, docs/FORMATS.md says what we do.

mod crawl_delay;
mod group;
pub(crate) mod loaded_rules;
mod percent;
mod product_token;
mod record;
mod rule;
mod rule_set;
mod state;
mod text;

use std::sync::Arc;
use std::time::Duration;

use url::Url;

pub use product_token::product_token;
pub use state::{ROBOTS_AGE_MAX, RobotsState};

use group::GroupReader;
use rule::RobotsRule;
use rule_set::RobotsRuleSet;

/// The robots rules of a host for one product token, with the Sitemap lines and the Crawl-delay (RFC 9309).
///
/// Clones share the rules.
///
/// ```
/// use frontier::robots::RobotsRules;
///
/// let robots = RobotsRules::parse(b"User-agent: *\nDisallow: /drafts\nSitemap: /news.xml", "example-crawler");
/// assert!(!robots.allows(&"https://a.example/drafts/1".parse()?));
/// assert_eq!(robots.sitemaps(), ["/news.xml"]);
/// # Ok::<(), url::ParseError>(())
/// ```
#[derive(Debug, Clone)]
pub struct RobotsRules {
    /// Product token that the rules were selected for, in lower case. Empty if they apply to any crawler.
    product_token: String,
    rules: Arc<RobotsRuleSet>,
    sitemaps: Vec<String>,
    crawl_delay: Option<Duration>,
}

impl RobotsRules {
    /// Maximum number of octets of a robots.txt that are read. RFC 9309 section 2.5 requires a parser to accept at
    /// least this many.
    pub const BYTES_MAX: usize = 512_000;

    /// Parses the rules for `product_token`: those of its groups, or those of the `*` groups if it has none.
    ///
    /// Never fails: a line that is not a record is skipped, so HTML and binary data give no rules. At most
    /// [`RobotsRules::BYTES_MAX`] octets are read, and a line cut by this limit is dropped. If the body is longer,
    /// pass at least one octet more than the limit, so that a cut line can be recognised. If `product_token` is a
    /// whole User-Agent value, its product token is used.
    pub fn parse(bytes: &[u8], product_token: &str) -> RobotsRules {
        let mut reader = GroupReader::new(product_token);
        let text = record::to_utf8(record::within(bytes, Self::BYTES_MAX));
        for record in record::records(&text) {
            reader.take(record);
        }
        let product_token = self::product_token(product_token).to_ascii_lowercase();
        RobotsRules { product_token, ..reader.finish() }
    }

    /// Rules that allow everything, for a host whose robots.txt is unavailable (RFC 9309 section 2.3.1.3).
    pub fn allow_all() -> RobotsRules {
        RobotsRules::new(Vec::new(), Vec::new(), None)
    }

    /// Rules that allow only robots.txt, for a host whose robots.txt is unreachable (RFC 9309 section 2.3.1.4).
    pub fn disallow_all() -> RobotsRules {
        RobotsRules::new(vec![RobotsRule::disallow_all()], Vec::new(), None)
    }

    fn new(rules: Vec<RobotsRule>, sitemaps: Vec<String>, crawl_delay: Option<Duration>) -> RobotsRules {
        let product_token = String::new();
        RobotsRules { product_token, rules: Arc::new(RobotsRuleSet::new(rules)), sitemaps, crawl_delay }
    }

    /// Whether `url` may be fetched (RFC 9309 section 2.2.2).
    ///
    /// The longest rule that matches its path and query decides, and Allow wins a tie. Without a matching rule the
    /// URL may be fetched. `/robots.txt` may always be fetched. The caller ensures that `url` is on the host of
    /// these rules.
    pub fn allows(&self, url: &Url) -> bool {
        let target = percent::target(url);
        target == "/robots.txt" || self.rules.allow(&target)
    }

    /// The values of the Sitemap lines in file order: trimmed, without fragment, without repeats. Relative URLs are not
    /// resolved.
    ///
    /// They apply to every crawler, whatever group they are in (sitemaps.org).
    pub fn sitemaps(&self) -> &[String] {
        &self.sitemaps
    }

    /// The rules with each relative sitemap URL resolved against `url`, where the file was read. The queue keeps the rules
    /// without that URL.
    #[must_use]
    pub fn resolved_against(mut self, url: &str) -> RobotsRules {
        let base = Url::parse(url).ok();
        for sitemap in &mut self.sitemaps {
            let is_absolute = ["http:", "https:"].iter().any(|scheme| has_prefix(sitemap, scheme));
            if let Some(resolved) =
                base.as_ref().filter(|_| !is_absolute).and_then(|base| base.join(sitemap).ok())
            {
                *sitemap = resolved.into();
            }
        }
        self
    }

    /// The Crawl-delay for us, the longest if there are several. It is outside RFC 9309.
    ///
    /// It is not limited here: the politeness delay decides whether to obey it.
    pub fn crawl_delay(&self) -> Option<Duration> {
        self.crawl_delay
    }

    /// The rules in the compact text form that the queue keeps. [`RobotsRules::from_text`] reads it back.
    ///
    /// Its length is at most about three times [`RobotsRules::BYTES_MAX`], if every octet has to be percent-encoded.
    pub fn to_text(&self) -> String {
        text::write(self)
    }

    /// Approximate memory in bytes.
    pub(crate) fn bytes(&self) -> usize {
        /// Memory of a rule besides its pattern: two `String`s without their text, a number, and the allocator's
        /// overhead.
        const RULE_BYTES: usize = 128;
        // texting_robots keeps a second copy of each pattern.
        let rules = self.rules.rules().iter().map(|rule| RULE_BYTES + 2 * rule.pattern.len());
        let sitemaps = self.sitemaps.iter().map(|sitemap| size_of::<String>() + sitemap.len());
        rules.sum::<usize>() + sitemaps.sum::<usize>()
    }

    /// Whether `text`, from [`RobotsRules::to_text`], has the rules for `product_token`. Rules selected for one
    /// token do not apply to another.
    pub fn text_speaks_to(text: &str, product_token: &str) -> bool {
        text::product_token(text).is_none_or(|known| known.eq_ignore_ascii_case(product_token))
    }

    /// Reads the form that [`RobotsRules::to_text`] writes. The result behaves like the original.
    ///
    /// It is not for robots.txt files: there are no user-agent lines, and patterns are not normalised again. Unknown
    /// lines are skipped.
    pub fn from_text(text: &str) -> RobotsRules {
        text::read(text)
    }
}

/// Whether `text` begins with `prefix`, in any case.
fn has_prefix(text: &str, prefix: &str) -> bool {
    text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

#[cfg(test)]
mod tests;
