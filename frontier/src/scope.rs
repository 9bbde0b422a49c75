//! The scope of a crawl: which sitemaps it accepts, by flags that are stored with the crawl.

use std::fmt;
use std::str::FromStr;

use regex::Regex;
use serde::{Deserialize, Serialize};

use crate::work_queue::QueueBounds;

/// When the well-known sitemap paths of a host are tried (`--probe`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Probe {
    /// When robots.txt names no sitemap.
    #[default]
    Auto,
    /// Always, in addition to the sitemaps that robots.txt names.
    Always,
    /// Never.
    Never,
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Always => "always",
            Self::Never => "never",
        })
    }
}

impl FromStr for Probe {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, ScopeError> {
        [Self::Auto, Self::Always, Self::Never]
            .into_iter()
            .find(|probe| probe.to_string() == text)
            .ok_or_else(|| ScopeError::Probe(text.to_owned()))
    }
}

/// Error for a scope that cannot be read from text.
#[derive(Debug, thiserror::Error)]
pub enum ScopeError {
    /// The value of `--probe` is unknown.
    #[error("{0:?} is not one of auto, always, never")]
    Probe(String),
    /// A pattern is not a valid regular expression, or is too large.
    #[error("pattern {pattern:?}: {cause}")]
    Pattern {
        /// The pattern as given.
        pattern: String,
        /// What is wrong with it.
        cause: regex::Error,
    },
}

/// The scope of a crawl, which is stored with it. Other values on resume are a usage error, since the two parts of
/// the result would not fit together.
///
/// It is stored as [`ScopeText`], with the text of each pattern.
///
/// ```
/// use frontier::Scope;
/// use frontier::scope::patterns;
///
/// let scope = Scope {
///     include: patterns(&["/news/".to_owned()])?,
///     exclude: patterns(&["/archive/".to_owned()])?,
///     ..Scope::default()
/// };
/// assert!(scope.admits("https://a.example/news/today.xml"));
/// assert!(!scope.admits("https://a.example/news/archive/2001.xml"));
/// assert!(!scope.admits("https://a.example/shop.xml"));
/// # Ok::<(), frontier::scope::ScopeError>(())
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(into = "ScopeText", try_from = "ScopeText")]
pub struct Scope {
    /// Maximum number of index levels below a root sitemap (`--max-depth`). A root has level 0.
    pub max_depth: u16,
    /// Maximum number of sitemaps accepted per host (`--max-sitemaps`).
    pub max_sitemaps: u64,
    /// Maximum number of children accepted per index (`--max-children`).
    pub max_children: u64,
    /// Maximum number of hosts accepted per [`Site`](crate::Site), besides those of seeds (`--max-hosts-per-site`).
    pub max_hosts_per_site: u64,
    /// If there are any, a nested sitemap must match one of these (`--include`).
    pub include: Vec<Regex>,
    /// A nested sitemap must match none of these (`--exclude`).
    pub exclude: Vec<Regex>,
    /// When the well-known paths are tried (`--probe`).
    pub probe: Probe,
}

/// Compiles `texts` into patterns for [`Scope::include`] and [`Scope::exclude`]. A pattern may match anywhere in a URL.
pub fn patterns(texts: &[String]) -> Result<Vec<Regex>, ScopeError> {
    let pattern = |text: &String| {
        Regex::new(text).map_err(|cause| ScopeError::Pattern { pattern: text.clone(), cause })
    };
    texts.iter().map(pattern).collect()
}

impl Default for Scope {
    fn default() -> Self {
        Self {
            max_depth: 5,
            max_sitemaps: 50_000,
            max_children: 50_000,
            max_hosts_per_site: 1_000,
            include: Vec::new(),
            exclude: Vec::new(),
            probe: Probe::Auto,
        }
    }
}

impl Scope {
    /// The bounds that the queue applies.
    pub fn queue_bounds(&self) -> QueueBounds {
        QueueBounds { sitemaps_max: self.max_sitemaps, hosts_per_site_max: self.max_hosts_per_site }
    }

    /// Whether the scope admits the nested sitemap at `url`, which must be normalised. Root sitemaps are always
    /// admitted and are not passed here.
    pub fn admits(&self, url: &str) -> bool {
        let included = self.include.is_empty() || self.include.iter().any(|pattern| pattern.is_match(url));
        included && !self.exclude.iter().any(|pattern| pattern.is_match(url))
    }

    /// The flags in which `self`, the scope of a crawl, differs from `given`. The order of patterns does not matter.
    pub fn differences(&self, given: &Self) -> Vec<Difference> {
        let (was, is) = (self.by_flag(), given.by_flag());
        let pairs = was.into_iter().zip(is).filter(|((_, was), (_, is))| was != is);
        pairs.map(|((flag, was), (_, is))| Difference { flag, was, is }).collect()
    }

    fn by_flag(&self) -> [(&'static str, String); 7] {
        [
            ("--max-depth", self.max_depth.to_string()),
            ("--max-sitemaps", self.max_sitemaps.to_string()),
            ("--max-children", self.max_children.to_string()),
            ("--max-hosts-per-site", self.max_hosts_per_site.to_string()),
            ("--include", in_order(&self.include)),
            ("--exclude", in_order(&self.exclude)),
            ("--probe", self.probe.to_string()),
        ]
    }
}

fn in_order(patterns: &[Regex]) -> String {
    let mut texts: Vec<String> = patterns.iter().map(|pattern| format!("{:?}", pattern.as_str())).collect();
    texts.sort_unstable();
    texts.dedup();
    if texts.is_empty() { "not given".to_owned() } else { texts.join(", ") }
}

/// A flag whose value differs from the crawl's. `Display` gives `--max-depth was 5, is now 3`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    /// The flag with its dashes.
    pub flag: &'static str,
    /// Its value in the crawl.
    pub was: String,
    /// Its value now.
    pub is: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} was {}, is now {}", self.flag, self.was, self.is)
    }
}

/// A [`Scope`] as it is stored. Unknown and missing fields are refused.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScopeText {
    /// See [`Scope::max_depth`].
    pub max_depth: u16,
    /// See [`Scope::max_sitemaps`].
    pub max_sitemaps: u64,
    /// See [`Scope::max_children`].
    pub max_children: u64,
    /// See [`Scope::max_hosts_per_site`].
    pub max_hosts_per_site: u64,
    /// The text of each pattern.
    pub include: Vec<String>,
    /// The text of each pattern.
    pub exclude: Vec<String>,
    /// See [`Scope::probe`].
    pub probe: Probe,
}

impl From<Scope> for ScopeText {
    fn from(scope: Scope) -> Self {
        let texts = |patterns: &[Regex]| patterns.iter().map(|pattern| pattern.as_str().to_owned()).collect();
        Self {
            max_depth: scope.max_depth,
            max_sitemaps: scope.max_sitemaps,
            max_children: scope.max_children,
            max_hosts_per_site: scope.max_hosts_per_site,
            include: texts(&scope.include),
            exclude: texts(&scope.exclude),
            probe: scope.probe,
        }
    }
}

impl TryFrom<ScopeText> for Scope {
    type Error = ScopeError;

    fn try_from(text: ScopeText) -> Result<Self, ScopeError> {
        Ok(Self {
            max_depth: text.max_depth,
            max_sitemaps: text.max_sitemaps,
            max_children: text.max_children,
            max_hosts_per_site: text.max_hosts_per_site,
            include: patterns(&text.include)?,
            exclude: patterns(&text.exclude)?,
            probe: text.probe,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(include: &[&str], exclude: &[&str]) -> Scope {
        let all = |texts: &[&str]| {
            patterns(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>()).unwrap()
        };
        Scope { include: all(include), exclude: all(exclude), ..Scope::default() }
    }

    #[test]
    fn exclude_wins_over_include_and_no_include_admits_all() {
        assert!(scope(&[], &[]).admits("https://a.example/x.xml"));
        assert!(scope(&["news", "posts"], &[]).admits("https://a.example/posts-1.xml"));
        assert!(!scope(&["news", "posts"], &[]).admits("https://a.example/tags.xml"));
        assert!(!scope(&["news"], &["news-2019"]).admits("https://a.example/news-2019-1.xml"));
    }

    #[test]
    fn differences_name_the_flag_and_both_values() {
        let was = scope(&["b", "a"], &[]);
        let is = Scope { max_depth: 3, probe: Probe::Never, ..scope(&["a", "b"], &["x"]) };
        let lines: Vec<String> = was.differences(&is).iter().map(Difference::to_string).collect();
        let expected = [
            "--max-depth was 5, is now 3",
            "--exclude was not given, is now \"x\"",
            "--probe was auto, is now never",
        ];
        assert_eq!(lines, expected);
        assert_eq!(was.differences(&was.clone()), []);
    }

    #[test]
    fn a_scope_comes_back_from_its_stored_form() {
        let scope = Scope { max_children: 7, probe: Probe::Always, ..scope(&["^https"], &["\\.gz$"]) };
        let again = Scope::try_from(ScopeText::from(scope.clone())).unwrap();
        assert_eq!(scope.differences(&again), []);
    }

    #[test]
    fn an_invalid_pattern_is_named_in_the_error() {
        let error = patterns(&["(".to_owned()]).unwrap_err().to_string();
        assert!(error.starts_with("pattern \"(\": "), "{error}");
        assert_eq!(
            "often".parse::<Probe>().unwrap_err().to_string(),
            "\"often\" is not one of auto, always, never"
        );
    }
}
