//! The URL normalisation cases of the corpus. They show where our normal form differs from others, and are not
//! requirements.

use std::collections::{BTreeMap, BTreeSet};

use frontier::normal_url::normalise;
use serde_json::Value;
use url::Url;

use super::{corpus_dir, print_uncaptured, sources, text};

/// Cases in which our normal form differs, by reason. docs/FORMATS.md explains each.
const DIFFERENT_FORMS: &[(&str, &[&str])] = &[
    (
        "repeated slashes are kept: servers distinguish such paths (RFC 3986 section 6.2.2.3 removes dot segments only)",
        &[
            "crawler-commons/urlnorm/weird-57",
            "crawler-commons/urlnorm/weird-58",
            "crawler-commons/urlnorm/weird-59",
            "crawler-commons/urlnorm/weird-60",
            "crawler-commons/urlnorm/weird-61",
            "crawler-commons/urlnorm/weird-62",
        ],
    ),
    (
        "only http and https URLs with a host are fetched, and a missing scheme is not guessed",
        &[
            "crawler-commons/urlnorm/weird-65",
            "crawler-commons/urlnorm/weird-66",
            "crawler-commons/urlnorm/weird-67",
            "crawler-commons/urlnorm/weird-68",
            "crawler-commons/urlnorm/weird-87",
            "crawler-commons/urlnorm/weird-88",
            "crawler-commons/urlnorm/weird-89",
            "crawler-commons/urlnorm/weird-91",
            "crawler-commons/urlnorm/weird-92",
            "crawler-commons/urlnorm/resolve-15",
        ],
    ),
    (
        "an empty query is kept: a URL with an empty component differs from one without the component (RFC 3986 section 6.2.3)",
        &[
            "crawler-commons/urlnorm/weird-69",
            "crawler-commons/urlnorm/weird-71",
            "crawler-commons/urlnorm/weird-108",
        ],
    ),
    (
        "a percent sign that begins no encoding is kept, together with the rest of the component, as browsers do",
        &[
            "crawler-commons/urlnorm/weird-72",
            "crawler-commons/urlnorm/weird-75",
            "crawler-commons/urlnorm/weird-81",
            "crawler-commons/urlnorm/weird-82",
            "crawler-commons/urlnorm/weird-83",
        ],
    ),
    (
        "brackets, `^`, a backquote and `|` are kept in path and query as in the URL standard",
        &[
            "crawler-commons/urlnorm/weird-26",
            "crawler-commons/urlnorm/weird-78",
            "crawler-commons/urlnorm/weird-79",
            "crawler-commons/urlnorm/weird-80",
            "crawler-commons/urlnorm/testIPv6Host-11",
        ],
    ),
    (
        "query parameters keep their order and number: only the server knows their meaning",
        &[
            "crawler-commons/urlnorm/weird-93",
            "crawler-commons/urlnorm/weird-94",
            "crawler-commons/urlnorm/weird-96",
            "crawler-commons/urlnorm/weird-97",
            "crawler-commons/urlnorm/weird-100",
            "crawler-commons/urlnorm/weird-102",
            "crawler-commons/urlnorm/weird-103",
            "crawler-commons/urlnorm/weird-104",
            "crawler-commons/urlnorm/weird-105",
            "crawler-commons/urlnorm/weird-106",
            "crawler-commons/urlnorm/weird-107",
            "crawler-commons/urlnorm/testQueryParameters-2",
            "crawler-commons/urlnorm/testQueryParameters-7",
        ],
    ),
    (
        "a dot at the end of a host name is kept: the server receives this name and may answer differently",
        &["crawler-commons/urlnorm/weird-90"],
    ),
    (
        "an IPv6 address is written in hexadecimal throughout, as in the URL standard",
        &["crawler-commons/urlnorm/testIPv6Host-8"],
    ),
    (
        "the case expects the URL resolved but not normalised: user, fragment and escapes unchanged",
        &[
            "crawler-commons/urlnorm/resolve-3",
            "crawler-commons/urlnorm/resolve-10",
            "crawler-commons/urlnorm/resolve-11",
            "crawler-commons/urlnorm/resolve-19",
        ],
    ),
];

#[test]
fn the_normal_form_differs_from_the_corpus_only_where_we_say_why() {
    let Some(corpus) = corpus_dir() else { return };
    let mut cases = 0;
    let mut differing = BTreeMap::new();
    for source in sources(&corpus) {
        let lines = std::fs::read_to_string(corpus.join(&source).join("cases.jsonl")).expect("readable");
        for case in lines.lines().map(|line| serde_json::from_str::<Value>(line).expect("a case is JSON")) {
            if case["kind"] != "urlnorm" {
                continue;
            }
            cases += 1;
            let ours = ours(&case);
            if ours.as_deref() != case["expect"]["url"].as_str() {
                let expected = case["expect"]["url"].as_str();
                differing.insert(text(&case, "id").to_owned(), format!("{ours:?}, expected {expected:?}"));
            }
        }
    }
    print_uncaptured(&format!("corpus: urlnorm: {} of {cases} the same", cases - differing.len()));
    assert!(cases > 0, "no urlnorm case in {}", corpus.display());
    let explained: BTreeSet<_> = DIFFERENT_FORMS.iter().flat_map(|(_, ids)| ids.iter().copied()).collect();
    let unexplained: Vec<_> = differing.iter().filter(|(id, _)| !explained.contains(id.as_str())).collect();
    assert!(unexplained.is_empty(), "forms differ without a reason in DIFFERENT_FORMS: {unexplained:#?}");
    let same: Vec<_> = explained.iter().filter(|id| !differing.contains_key(**id)).collect();
    assert!(same.is_empty(), "cases are in DIFFERENT_FORMS but the forms are the same: {same:#?}");
}

/// The normal form of a case's text, resolved against the case's base if it has one.
fn ours(case: &Value) -> Option<String> {
    let parsed = match case["url"].as_str().filter(|base| !base.is_empty()) {
        Some(base) => Url::parse(base).and_then(|base| base.join(text(case, "text"))),
        None => Url::parse(text(case, "text")),
    };
    normalise(parsed.ok()?).map(String::from)
}
