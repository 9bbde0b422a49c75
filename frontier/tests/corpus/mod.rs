//! The robots.txt cases of the conformance corpus: published files and test files of other projects, with the
//! expected answers.
//!
//! The corpus is outside the repository, in the directory that `CRAWL_CORPUS` names, or else in [`CORPUS_DIR`].

mod normal_url;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use frontier::RobotsRules;
use frontier::robots::product_token;
use serde_json::Value;
use url::Url;

/// Default directory of the corpus, relative to a checkout.
const CORPUS_DIR: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/corpus");

/// Contested cases in which we give another answer, by reason. docs/FORMATS.md explains each.
const DIFFERENT_ANSWERS: &[(&str, &[&str])] = &[
    (
        "a user-agent line has one product token, so the words after the first are not names (section 2.2.1)",
        &[
            "crawler-commons/robots/testMultiAgentNames",
            "crawler-commons/robots/testNutchCases2-35",
            "crawler-commons/robots/testNutchCases2-38",
            "crawler-commons/robots/testNutchCases2-47",
            "crawler-commons/robots/testNutchCases2-56",
            "crawler-commons/robots/testSpacesInMultipleUserAgentNames-2",
            "crawler-commons/robots/testSpacesInMultipleUserAgentNames-3",
        ],
    ),
    (
        "rules before any user-agent line belong to no group (section 2.2)",
        &[
            "texting-robots/robots/test_repcpp_no_leading_user_agent-2",
            "texting-robots/robots/test_reppy_no_leading_user_agent-2",
            "texting-robots/robots/test_robot_many_star_rule_simplifier",
            "texting-robots/robots/test_robot_starts_with_wildcard",
            "texting-robots/robots/test_robot_starts_with_wildcard-2",
            "texting-robots/robots/test_robot_starts_with_wildcard-5",
            "texting-robots/robots/test_robot_starts_with_wildcard-6",
        ],
    ),
    (
        "the longest match in octets decides, and `/*` is longer than `/` (section 2.2.2)",
        &["crawler-commons/robots/testPrecedenceOfRules"],
    ),
    (
        "markup is not part of the format: the rule `/<BR>` matches paths that begin with it (section 2.2.2)",
        &["crawler-commons/robots/testHtmlMarkupInRobotsTxt-2"],
    ),
    (
        "a long Crawl-delay does not change which URLs are allowed; the host is skipped for it in another module",
        &["crawler-commons/robots/testBigCrawlDelay"],
    ),
];

/// A case in which our answer differs from the expected one.
struct Failure {
    id: String,
    cause: String,
    is_contested: bool,
}

/// Number of cases passed and of all cases.
#[derive(Default)]
struct Score {
    passed: usize,
    cases: usize,
    contested_passed: usize,
    contested: usize,
}

#[test]
fn every_uncontested_robots_case_of_the_corpus_passes_and_the_contested_ones_are_decided() {
    let Some(corpus) = corpus_dir() else {
        return;
    };
    let (scores, failures) = check_all(&corpus);
    assert!(!scores.is_empty(), "no robots case in {}", corpus.display());
    report(&scores, &failures);

    let (contested, uncontested): (Vec<_>, Vec<_>) =
        failures.iter().partition(|failure| failure.is_contested);
    let uncontested: Vec<_> = uncontested.iter().map(|failure| &failure.id).collect();
    assert!(uncontested.is_empty(), "uncontested cases fail: {uncontested:#?}");

    let contested: BTreeSet<_> = contested.iter().map(|failure| failure.id.as_str()).collect();
    let decided: BTreeSet<_> = DIFFERENT_ANSWERS.iter().flat_map(|(_, ids)| ids.iter().copied()).collect();
    let undecided: Vec<_> = contested.difference(&decided).collect();
    assert!(
        undecided.is_empty(),
        "contested cases fail without a reason in DIFFERENT_ANSWERS: {undecided:#?}"
    );
    let passing: Vec<_> = decided.difference(&contested).collect();
    assert!(passing.is_empty(), "contested cases are in DIFFERENT_ANSWERS but pass: {passing:#?}");
}

/// The directory of the corpus. If it is missing, prints a message that the test harness does not capture.
fn corpus_dir() -> Option<PathBuf> {
    let named = std::env::var_os("CRAWL_CORPUS").map(PathBuf::from);
    let is_named = named.is_some();
    let corpus = named.unwrap_or_else(|| PathBuf::from(CORPUS_DIR));
    if corpus.is_dir() {
        return Some(corpus);
    }
    assert!(!is_named, "CRAWL_CORPUS is {}, which is not a directory", corpus.display());
    let _ = writeln!(
        std::io::stderr(),
        "\n*** THE CORPUS IS MISSING: none of its cases was checked. Expected in {}; \
         set CRAWL_CORPUS to use another directory. ***\n",
        corpus.display()
    );
    None
}

fn check_all(corpus: &Path) -> (BTreeMap<String, Score>, Vec<Failure>) {
    let mut scores: BTreeMap<String, Score> = BTreeMap::new();
    let mut failures = Vec::new();
    for source in sources(corpus) {
        let dir = corpus.join(&source);
        let cases = std::fs::read_to_string(dir.join("cases.jsonl")).expect("cases.jsonl is readable");
        let cases = cases.lines().map(|line| serde_json::from_str::<Value>(line).expect("a case is JSON"));
        for case in cases.filter(|case| case["kind"] == "robots") {
            let is_contested = case["contested"] == true;
            let cause = check(&dir, &case);
            let score = scores.entry(source.clone()).or_default();
            let (cases, passed) = match is_contested {
                true => (&mut score.contested, &mut score.contested_passed),
                false => (&mut score.cases, &mut score.passed),
            };
            *cases += 1;
            match cause {
                None => *passed += 1,
                Some(cause) => {
                    failures.push(Failure { id: text(&case, "id").to_owned(), cause, is_contested });
                }
            }
        }
    }
    (scores, failures)
}

fn sources(corpus: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(corpus).expect("the corpus is readable");
    let paths = entries.map(|entry| entry.expect("the corpus is readable").path());
    let mut sources: Vec<_> = paths
        .filter(|path| path.join("cases.jsonl").is_file())
        .filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()))
        .collect();
    sources.sort();
    sources
}

fn text<'a>(case: &'a Value, field: &str) -> &'a str {
    case[field].as_str().unwrap_or_default()
}

/// Why a case fails, or `None` if it passes. Checks the parsed rules, and the rules after a round trip through the
/// queue's form.
fn check(dir: &Path, case: &Value) -> Option<String> {
    let bytes = match case["text"].as_str() {
        Some(text) => text.as_bytes().to_vec(),
        None => std::fs::read(dir.join(text(case, "file"))).expect("the case's file is readable"),
    };
    let parsed = RobotsRules::parse(&bytes, product_token(text(case, "agent")));
    let queued = RobotsRules::from_text(&parsed.to_text());
    check_rules(&parsed, case).or_else(|| Some(format!("after the queue: {}", check_rules(&queued, case)?)))
}

fn check_rules(robots: &RobotsRules, case: &Value) -> Option<String> {
    let base = Url::parse(text(case, "url"))
        .unwrap_or_else(|_| Url::parse("https://a.example/robots.txt").expect("a URL"));
    let expect = &case["expect"];
    if let Some(allowed) = expect["allowed"].as_bool() {
        let url = base.join(text(case, "path")).expect("the case's path is a URL");
        if robots.allows(&url) != allowed {
            return Some(format!("{} expected", if allowed { "allowed" } else { "disallowed" }));
        }
    }
    if let Some(sitemaps) = expect["sitemaps"].as_array() {
        let expected: Vec<_> = sitemaps.iter().filter_map(Value::as_str).collect();
        if !are_same_sitemaps(robots.sitemaps(), &expected, &base) {
            return Some(format!("sitemaps {:?}", robots.sitemaps()));
        }
    }
    if let Some(seconds) = expect["crawl_delay"].as_f64() {
        let expected = Some(Duration::from_secs_f64(seconds));
        if robots.crawl_delay() != expected {
            return Some(format!("crawl delay {:?} instead of {expected:?}", robots.crawl_delay()));
        }
    }
    None
}

/// Compares the Sitemap values as written or resolved, since the sources do one or the other. Ignores repeats, since
/// some sources keep them.
fn are_same_sitemaps(found: &[String], expected: &[&str], base: &Url) -> bool {
    let mut seen = BTreeSet::new();
    let expected: Vec<_> = expected.iter().filter(|sitemap| seen.insert(**sitemap)).collect();
    let is_same = |found: &str, expected: &str| {
        found == expected || base.join(found).is_ok_and(|found| base.join(expected) == Ok(found))
    };
    found.len() == expected.len()
        && found.iter().zip(expected).all(|(found, expected)| is_same(found, expected))
}

/// Prints a line even if the test passes: the test harness captures only the print macros.
fn print_uncaptured(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

fn report(scores: &BTreeMap<String, Score>, failures: &[Failure]) {
    for (source, score) in scores {
        print_uncaptured(&format!(
            "corpus: {source}, robots: {} of {} uncontested, {} of {} contested",
            score.passed, score.cases, score.contested_passed, score.contested
        ));
    }
    let mut by_cause: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for failure in failures {
        by_cause.entry((failure.is_contested, &failure.cause)).or_default().push(&failure.id);
    }
    for ((is_contested, cause), ids) in by_cause {
        let side = if is_contested { "decided otherwise" } else { "WRONG" };
        print_uncaptured(&format!("corpus: {side}: {cause}: {ids:?}"));
    }
}
