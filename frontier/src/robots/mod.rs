//! The rules of a host: what its robots.txt says to us (RFC 9309).
//!
//! The line through this module: `record` splits the bytes into records, `group` keeps those that speak to us, `rule`
//! brings each path pattern into one spelling with `percent`, and `rule_set` answers for a URL. `text` writes the
//! outcome down for the queue. Where the standard leaves room, docs/FORMATS.md tells what we do.

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

/// The rules of a host as they speak to one product token, with its Sitemap lines and Crawl-delay (RFC 9309).
///
/// A clone shares the rules.
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
    /// Whom the file was read for, in lower case; empty where the rules are anyone's.
    product_token: String,
    rules: Arc<RobotsRuleSet>,
    sitemaps: Vec<String>,
    crawl_delay: Option<Duration>,
}

impl RobotsRules {
    /// Most octets of a robots.txt that are read: the least that RFC 9309 section 2.5 asks of a parser.
    pub const BYTES_MAX: usize = 512_000;

    /// Reads the records that speak to `product_token`, or to everyone where none does.
    ///
    /// Never fails: a line that is no record costs that line only, so HTML and binary junk are no rules. At most
    /// [`RobotsRulesRules::BYTES_MAX`] octets are read and the line cut there is dropped; to tell a cut body from one that ends
    /// there, pass at least one octet more of a longer body. Of a whole User-Agent value the product token is taken.
    pub fn parse(bytes: &[u8], product_token: &str) -> RobotsRules {
        let mut reader = GroupReader::new(product_token);
        let text = record::to_utf8(record::within(bytes, Self::BYTES_MAX));
        for record in record::records(&text) {
            reader.take(record);
        }
        let product_token = self::product_token(product_token).to_ascii_lowercase();
        RobotsRules { product_token, ..reader.finish() }
    }

    /// The rules of a host that has none: robots.txt is unavailable (RFC 9309 section 2.3.1.3).
    pub fn allow_all() -> RobotsRules {
        RobotsRules::new(Vec::new(), Vec::new(), None)
    }

    /// The rules of a host of which only robots.txt may be asked: it is unreachable (RFC 9309 section 2.3.1.4).
    pub fn disallow_all() -> RobotsRules {
        RobotsRules::new(vec![RobotsRule::disallow_all()], Vec::new(), None)
    }

    fn new(rules: Vec<RobotsRule>, sitemaps: Vec<String>, crawl_delay: Option<Duration>) -> RobotsRules {
        let product_token = String::new();
        RobotsRules { product_token, rules: Arc::new(RobotsRuleSet::new(rules)), sitemaps, crawl_delay }
    }

    /// Whether `url` may be fetched: the longest rule that matches its path and query decides, Allow wins a tie, and
    /// without a match it may (RFC 9309 section 2.2.2). `/robots.txt` always may.
    ///
    /// That `url` is on the host of these rules is the caller's to know.
    pub fn allows(&self, url: &Url) -> bool {
        let target = percent::target(url);
        target == "/robots.txt" || self.rules.allow(&target)
    }

    /// The values of the Sitemap lines in their order: trimmed, without fragment, each once, relative ones as written.
    ///
    /// They hold for every crawler (sitemaps.org), whichever group they stand in.
    pub fn sitemaps(&self) -> &[String] {
        &self.sitemaps
    }

    /// The Crawl-delay asked of us, which is outside RFC 9309; of several the longest.
    ///
    /// Without ceiling: whether to obey it is for the politeness delay to decide.
    pub fn crawl_delay(&self) -> Option<Duration> {
        self.crawl_delay
    }

    /// The rules in the small form that the queue keeps: see [`RobotsRulesRules::from_text`].
    ///
    /// At most about three times [`RobotsRulesRules::BYTES_MAX`], when every octet had to be percent-encoded.
    pub fn to_text(&self) -> String {
        text::write(self)
    }

    /// About how much memory it takes.
    pub(crate) fn bytes(&self) -> usize {
        /// Of a rule besides its pattern: twice a text's head, a number, and what allocating costs.
        const RULE_BYTES: usize = 128;
        // texting_robots holds each pattern once more.
        let rules = self.rules.rules().iter().map(|rule| RULE_BYTES + 2 * rule.pattern.len());
        let sitemaps = self.sitemaps.iter().map(|sitemap| size_of::<String>() + sitemap.len());
        rules.sum::<usize>() + sitemaps.sum::<usize>()
    }

    /// Whether `text`, from [`RobotsRulesRules::to_text`], holds for `product_token`: a file was read for one token, and says other
    /// things to another.
    pub fn text_speaks_to(text: &str, product_token: &str) -> bool {
        text::product_token(text).is_none_or(|known| known.eq_ignore_ascii_case(product_token))
    }

    /// Reads back what [`RobotsRulesRules::to_text`] wrote; the result behaves as the original did.
    ///
    /// Only for that form: it names no user agent, and nothing in it is normalised a second time. A line it does not
    /// know is passed over.
    pub fn from_text(text: &str) -> RobotsRules {
        text::read(text)
    }
}

#[cfg(test)]
mod tests;
