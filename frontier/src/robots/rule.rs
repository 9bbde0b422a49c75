//! One Allow or Disallow line.

use super::percent;

/// Whether the URLs a rule matches may be fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum RuleKind {
    /// From an Allow line. First in the order, since Allow wins a tie.
    Allow,
    /// From a Disallow line.
    Disallow,
}

/// A path pattern in its one spelling, and the verdict for what it matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RobotsRule {
    pub(super) verdict: RuleKind,
    pub(super) pattern: String,
}

impl RobotsRule {
    /// The rule that a line's value spells out; none where the value is empty or could match no path at all, since
    /// every path begins with `/`.
    pub(super) fn read(verdict: RuleKind, value: &[u8]) -> Option<RobotsRule> {
        matches!(value, [b'/' | b'*', ..]).then(|| RobotsRule { verdict, pattern: percent::pattern(value) })
    }

    /// Disallows everything.
    pub(super) fn disallow_all() -> RobotsRule {
        RobotsRule { verdict: RuleKind::Disallow, pattern: "/".to_owned() }
    }

    /// Whether the pattern must match up to the end of the target.
    pub(super) fn is_anchored(&self) -> bool {
        self.pattern.ends_with('$')
    }

    /// Whether the pattern matches `target` from its first octet (RFC 9309 section 2.2.3).
    ///
    /// Each part between two stars is looked for once, behind the one before it. The leftmost place is always right, as
    /// it leaves most to the rest; so the time is linear in target and pattern, whatever the stars.
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
        assert!(!matches("/ab*b$", "/ab"), "one octet does not serve two parts");
        assert!(matches("/a$b", "/a%24b"));
    }

    #[test]
    fn what_can_match_nothing_is_no_rule() {
        for value in ["", "fish", "$", "http://a.example/", "%2Ffish"] {
            assert_eq!(RobotsRule::read(RuleKind::Disallow, value.as_bytes()), None, "{value:?}");
        }
    }
}
