//! The corpus's URLs to normalise: a help to see where our normal form stands among others, no law.

use std::collections::{BTreeMap, BTreeSet};

use frontier::normal_url::normalise;
use serde_json::Value;
use url::Url;

use super::{corpus_dir, say, sources, text};

/// Cases where our normal form is another one, by reason; docs/FORMATS.md explains each.
const OTHER_FORM: &[(&str, &[&str])] = &[
    (
        "slashes in a row are kept: servers tell such paths apart (RFC 3986 section 6.2.2.3 removes dot segments only)",
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
        "only http and https with a host are fetched, and no scheme is guessed",
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
        "an empty query is kept: a component with an empty value is another URL than one without it (RFC 3986 section 6.2.3)",
        &[
            "crawler-commons/urlnorm/weird-69",
            "crawler-commons/urlnorm/weird-71",
            "crawler-commons/urlnorm/weird-108",
        ],
    ),
    (
        "a percent sign that begins no encoding is kept, as browsers send it, with all beside it",
        &[
            "crawler-commons/urlnorm/weird-72",
            "crawler-commons/urlnorm/weird-75",
            "crawler-commons/urlnorm/weird-81",
            "crawler-commons/urlnorm/weird-82",
            "crawler-commons/urlnorm/weird-83",
        ],
    ),
    (
        "brackets, `^`, a backquote and `|` are kept as the URL standard has them in path and query",
        &[
            "crawler-commons/urlnorm/weird-26",
            "crawler-commons/urlnorm/weird-78",
            "crawler-commons/urlnorm/weird-79",
            "crawler-commons/urlnorm/weird-80",
            "crawler-commons/urlnorm/testIPv6Host-11",
        ],
    ),
    (
        "the parameters of a query keep their order and number: what they mean is the server's own",
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
        "a dot at the end of a host name is kept: the server is told this name, and may answer it otherwise",
        &["crawler-commons/urlnorm/weird-90"],
    ),
    (
        "an IPv6 address is spelled in hexadecimal throughout, as the URL standard does",
        &["crawler-commons/urlnorm/testIPv6Host-8"],
    ),
    (
        "the case wants the URL resolved and no more, without the normal form: user, fragment and escapes as they were",
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
                let there = case["expect"]["url"].as_str();
                differing.insert(text(&case, "id").to_owned(), format!("{ours:?}, there {there:?}"));
            }
        }
    }
    say(&format!("corpus: urlnorm: {} of {cases} the same", cases - differing.len()));
    assert!(cases > 0, "no urlnorm case in {}", corpus.display());
    let explained: BTreeSet<_> = OTHER_FORM.iter().flat_map(|(_, ids)| ids.iter().copied()).collect();
    let unexplained: Vec<_> = differing.iter().filter(|(id, _)| !explained.contains(id.as_str())).collect();
    assert!(unexplained.is_empty(), "another form and no reason is given: {unexplained:#?}");
    let same: Vec<_> = explained.iter().filter(|id| !differing.contains_key(**id)).collect();
    assert!(same.is_empty(), "listed with a reason and yet the same: {same:#?}");
}

/// The normal form of a case's text, resolved against the case's base where it has one.
fn ours(case: &Value) -> Option<String> {
    let parsed = match case["url"].as_str().filter(|base| !base.is_empty()) {
        Some(base) => Url::parse(base).and_then(|base| base.join(text(case, "text"))),
        None => Url::parse(text(case, "text")),
    };
    normalise(parsed.ok()?).map(String::from)
}
