//! All rules that apply to us, and their joint decision about a URL.

use std::cmp::Reverse;

use texting_robots::Robot;

use super::rule::{RobotsRule, RuleKind};

/// Maximum number of rules with a `$` that texting_robots is used for. A file with more is matched by
/// [`RobotsRule::matches`].
///
/// texting_robots compiles a regular expression for each of them. Measured, one costs up to 0.2 ms and 110 KiB, and
/// an artificial file of 15,000 took 1.2 s, 150 MB and 0.06 s per URL. Stars without `$` cost it no more than they
/// cost us.
const ANCHORED_RULES_MAX: usize = 32;

/// Maximum number of octets of patterns that texting_robots is used for. A file with more is also matched by
/// [`RobotsRule::matches`].
///
/// Few files have a tenth of this. Measured, texting_robots takes 4 MB for a file of 500 KB, for each leased host.
const PATTERN_BYTES_MAX: usize = 64 << 10;

/// The rules of a host, most specific first.
#[derive(Debug)]
pub(super) struct RobotsRuleSet {
    rules: Vec<RobotsRule>,
    matcher: Matcher,
}

/// The matcher that compares a URL with the rules. Both give the same answers.
#[derive(Debug)]
enum Matcher {
    /// texting_robots with a normalised file of the same rules.
    TextingRobots(Robot),
    /// [`RobotsRule::matches`], in linear time.
    Linear,
}

impl RobotsRuleSet {
    /// Sorts the rules by length in octets, Allow before Disallow, and drops repeats.
    pub(super) fn new(mut rules: Vec<RobotsRule>) -> RobotsRuleSet {
        rules.sort_by(|a, b| Self::precedence(a).cmp(&Self::precedence(b)));
        rules.dedup();
        let matcher = Matcher::for_rules(&rules);
        RobotsRuleSet { rules, matcher }
    }

    fn precedence(rule: &RobotsRule) -> (Reverse<usize>, RuleKind, &str) {
        (Reverse(rule.pattern.len()), rule.verdict, &rule.pattern)
    }

    pub(super) fn rules(&self) -> &[RobotsRule] {
        &self.rules
    }

    /// Whether the path and query in `target` may be fetched.
    pub(super) fn allow(&self, target: &str) -> bool {
        match &self.matcher {
            Matcher::TextingRobots(robot) => robot.allowed(target),
            Matcher::Linear => {
                let first = self.rules.iter().find(|rule| rule.matches(target));
                first.is_none_or(|rule| rule.verdict == RuleKind::Allow)
            }
        }
    }
}

impl Matcher {
    fn for_rules(rules: &[RobotsRule]) -> Matcher {
        let anchored = rules.iter().filter(|rule| rule.is_anchored()).count();
        let pattern_bytes: usize = rules.iter().map(|rule| rule.pattern.len()).sum();
        if anchored > ANCHORED_RULES_MAX || pattern_bytes > PATTERN_BYTES_MAX {
            return Matcher::Linear;
        }
        // texting_robots refuses a file in which one rule gives too large a regular expression.
        Robot::new("*", normalised_file(rules).as_bytes()).map_or(Matcher::Linear, Matcher::TextingRobots)
    }
}

/// The rules as a robots.txt with one group, so that texting_robots has nothing to interpret.
fn normalised_file(rules: &[RobotsRule]) -> String {
    let mut file = "User-Agent: *\n".to_owned();
    for rule in rules {
        file.push_str(match rule.verdict {
            RuleKind::Allow => "Allow: ",
            RuleKind::Disallow => "Disallow: ",
        });
        file.push_str(&rule.pattern);
        file.push('\n');
    }
    file
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rule(verdict: RuleKind, pattern: &str) -> RobotsRule {
        RobotsRule::read(verdict, pattern.as_bytes()).unwrap()
    }

    fn linear(rules: &RobotsRuleSet) -> RobotsRuleSet {
        RobotsRuleSet { rules: rules.rules.clone(), matcher: Matcher::Linear }
    }

    #[test]
    fn the_longest_match_decides_and_allow_wins_a_tie() {
        let rules = RobotsRuleSet::new(vec![
            rule(RuleKind::Disallow, "/"),
            rule(RuleKind::Allow, "/page"),
            rule(RuleKind::Disallow, "/*.htm"),
            rule(RuleKind::Disallow, "/page"),
        ]);
        for rules in [&linear(&rules), &rules] {
            assert!(rules.allow("/page"));
            assert!(!rules.allow("/page.htm"));
            assert!(!rules.allow("/other"));
        }
    }

    #[test]
    fn repeated_rules_are_kept_once() {
        let rules = RobotsRuleSet::new(vec![rule(RuleKind::Allow, "/a"), rule(RuleKind::Allow, "/%61")]);
        assert_eq!(rules.rules().len(), 1);
    }

    #[test]
    fn rules_beyond_the_budget_are_matched_without_texting_robots() {
        let rules = |count| {
            RobotsRuleSet::new((0..count).map(|i| rule(RuleKind::Disallow, &format!("/{i}$"))).collect())
        };
        assert!(matches!(rules(ANCHORED_RULES_MAX).matcher, Matcher::TextingRobots(_)));
        let beyond = rules(ANCHORED_RULES_MAX + 1);
        assert!(matches!(beyond.matcher, Matcher::Linear));
        assert!(!beyond.allow("/32"));
        assert!(beyond.allow("/33"));
    }

    #[test]
    fn long_rules_are_matched_without_texting_robots() {
        let rules = |bytes| {
            RobotsRuleSet::new(vec![
                rule(RuleKind::Disallow, &"/a".repeat(bytes / 2)),
                rule(RuleKind::Disallow, "/b"),
            ])
        };
        assert!(matches!(rules(PATTERN_BYTES_MAX - 2).matcher, Matcher::TextingRobots(_)));
        let beyond = rules(PATTERN_BYTES_MAX);
        assert!(matches!(beyond.matcher, Matcher::Linear));
        assert!(!beyond.allow("/b/1"));
        assert!(beyond.allow("/a/1"));
    }

    #[test]
    fn a_rule_that_texting_robots_refuses_still_holds() {
        let rules = RobotsRuleSet::new(vec![rule(RuleKind::Disallow, &format!("/{}$", "*a".repeat(60)))]);
        assert!(matches!(rules.matcher, Matcher::Linear));
        assert!(!rules.allow(&format!("/{}", "a".repeat(60))));
        assert!(rules.allow(&format!("/{}", "a".repeat(59))));
    }

    fn any_rule() -> impl Strategy<Value = RobotsRule> {
        let pattern = "[/*]([ab/?*]|%2A|%24|%C3%A9|\\.){0,8}\\$?";
        let verdict = prop_oneof![Just(RuleKind::Allow), Just(RuleKind::Disallow)];
        (verdict, pattern).prop_map(|(verdict, pattern)| rule(verdict, &pattern))
    }

    proptest! {
        #[test]
        fn texting_robots_and_our_matcher_give_the_same_answers(
            rules in prop::collection::vec(any_rule(), 0..12),
            targets in prop::collection::vec("/([ab/?]|%2A|%24|%C3%A9|\\.){0,10}", 1..12),
        ) {
            let rules = RobotsRuleSet::new(rules);
            prop_assert!(matches!(rules.matcher, Matcher::TextingRobots(_)));
            let linear = linear(&rules);
            for target in &targets {
                prop_assert_eq!(rules.allow(target), linear.allow(target), "{} by {:?}", target, rules.rules());
            }
        }
    }
}
