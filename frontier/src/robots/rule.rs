//! One Allow or Disallow line.

use super::percent;

/// Whether the URLs a rule matches may be fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum RuleKind {
    /// From an Allow line. It sorts first, since Allow wins a tie.
    Allow,
    /// From a Disallow line.
    Disallow,
}

/// A normalised path pattern, and the verdict for the URLs that it matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RobotsRule {
    pub(super) verdict: RuleKind,
    pub(super) pattern: String,
}

impl RobotsRule {
    /// Reads the rule from a line's value. Returns `None` if the value is empty or cannot match any path, since
    /// every path begins with `/`.
    pub(super) fn read(verdict: RuleKind, value: &[u8]) -> Option<RobotsRule> {
        matches!(value, [b'/' | b'*', ..]).then(|| RobotsRule { verdict, pattern: percent::pattern(value) })
    }

    /// A rule that disallows everything.
    pub(super) fn disallow_all() -> RobotsRule {
        RobotsRule { verdict: RuleKind::Disallow, pattern: "/".to_owned() }
    }

    /// Whether the pattern must match up to the end of the target.
    pub(super) fn is_anchored(&self) -> bool {
        self.pattern.ends_with('$')
    }

    /// Whether the pattern matches `target` from its first octet (RFC 9309 section 2.2.3).
    ///
    /// Each part between two stars is searched for once, after the part before it. The leftmost match is always
    /// right, as it leaves the most text for the other parts. The time is therefore linear in target and pattern,
    /// for any number of stars.
    pub(super) fn matches(&self, target: &str) -> bool {
        let (body, is_anchored) = match self.pattern.strip_suffix('$') {
            Some(body) => (body, true),
            None => (self.pattern.as_str(), false),
        };
        let mut parts = body.split('*');
        let first = parts.next().unwrap_or_default();
        let Some(mut rest) = target.strip_prefix(first) else {
            return false;
        };
        let Some(last) = parts.next_back() else {
            return !is_anchored || rest.is_empty();
        };
        for part in parts {
            let Some((_, behind)) = rest.split_once(part) else {
                return false;
            };
            rest = behind;
        }
        if is_anchored { rest.ends_with(last) } else { rest.contains(last) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, target: &str) -> bool {
        RobotsRule::read(RuleKind::Disallow, pattern.as_bytes()).unwrap().matches(target)
    }

    #[test]
    fn a_rule_without_wildcards_matches_what_begins_with_it() {
        assert!(matches("/fish", "/fish"));
        assert!(matches("/fish", "/fish.html?x"));
        assert!(!matches("/fish", "/Fish"));
        assert!(!matches("/fish", "/a/fish"));
    }

    #[test]
    fn a_star_stands_for_any_octets_and_for_none() {
        assert!(matches("/*.php", "/a/b.php?x"));
        assert!(matches("/a*b*c", "/abc"));
        assert!(matches("/a**b", "/a-b"));
        assert!(matches("*/x", "/x"));
        assert!(!matches("/a*b*c", "/acb"));
        assert!(!matches("/*.php", "/a.PHP"));
    }

    #[test]
    fn a_last_dollar_holds_the_rule_to_the_end() {
        assert!(matches("/a$", "/a"));
        assert!(!matches("/a$", "/a/"));
        assert!(matches("/*.php$", "/x.php/y.php"));
        assert!(!matches("/*.php$", "/x.php?y"));
        assert!(matches("/a*$", "/a/b"));
        assert!(!matches("/ab*b$", "/ab"), "one octet does not match two parts");
        assert!(matches("/a$b", "/a%24b"));
    }

    #[test]
    fn a_value_that_can_match_nothing_is_not_a_rule() {
        for value in ["", "fish", "$", "http://a.example/", "%2Ffish"] {
            assert_eq!(RobotsRule::read(RuleKind::Disallow, value.as_bytes()), None, "{value:?}");
        }
    }
}
