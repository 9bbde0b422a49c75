//! The conformance corpus: real documents from public sites and from the tests of other crawlers, with the expected
//! results.
//!
//! `CRAWL_CORPUS` is its directory. The documents are not part of this repository because we have no right to
//! distribute them.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde_json::Value;
use sha2::{Digest, Sha256};
use sitemap::{Document, DocumentEnd, DocumentKind, Limits};
use url::Url;

use crate::reading::{self, Reading};

/// Contested cases that we decide differently from the corpus, with the reason. See docs/FORMATS.md.
const DECIDED_OTHERWISE: [(&str, &str); 4] = [
    ("crawler-commons/sitemap/testSitemapXMLfilterUrls", "a relative loc is resolved, a fragment is kept"),
    ("sites/0bsnetwork-developer.0bsnetwork.com/sitemap.xml", "a relative loc is resolved"),
    ("sites/0bsnetwork-developer.0bsnetwork.com/sitemap.xml.gz", "a relative loc is resolved"),
    ("sites/2ffactoragency-propertycleanupllc.com/sitemap.xml", "a relative loc is resolved"),
];

#[test]
fn documents_and_dates_of_the_corpus_are_read_as_expected() {
    let Some(directory) = directory() else { return };
    let mut scores = BTreeMap::<String, (usize, usize)>::new();
    let mut wrong = Vec::new();
    for case in cases(&directory) {
        let id = case.json["id"].as_str().unwrap().to_owned();
        let contested = if case.json["contested"] == true { "contested" } else { "uncontested" };
        let source = format!("{}, {}, {contested}", case.source, case.json["kind"].as_str().unwrap());
        let score = scores.entry(source).or_default();
        score.1 += 1;
        let result = case.check();
        let otherwise = DECIDED_OTHERWISE.iter().find(|(other, _)| *other == id);
        let is_contested = case.json["contested"] == true;
        match (result, otherwise) {
            (Ok(()), None) => score.0 += 1,
            (Err(_), Some((_, reason))) if is_contested => {
                print_uncaptured(&format!("corpus: decided otherwise: {id}: {reason}"));
            }
            (Ok(()), Some(_)) => wrong.push(format!("{id}: passes, but is listed as decided otherwise")),
            (Err(cause), _) => wrong.push(format!("{id}: {cause}")),
        }
    }
    for (source, (passed, all)) in &scores {
        print_uncaptured(&format!("corpus: {source}: {passed} of {all}"));
    }
    assert!(!scores.is_empty(), "{} contains no case", directory.display());
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// Prints a line even if the test passes: the test runner captures only the output of the print macros.
fn print_uncaptured(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// The directory of the corpus. Prints a message and returns `None` if `CRAWL_CORPUS` is not set and the corpus is
/// not at its default path next to the repository.
pub(crate) fn directory() -> Option<PathBuf> {
    if let Some(directory) = std::env::var_os("CRAWL_CORPUS") {
        return Some(directory.into());
    }
    let default_path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    if default_path.is_dir() {
        return Some(default_path);
    }
    print_uncaptured(&format!(
        "NOT TESTED: the corpus is not at {}; set CRAWL_CORPUS to its directory",
        default_path.display()
    ));
    None
}

/// One line of a `cases.jsonl`.
pub(crate) struct Case {
    source: String,
    directory: PathBuf,
    json: Value,
}

/// The sitemap and date cases of the corpus.
pub(crate) fn cases(directory: &Path) -> Vec<Case> {
    let mut cases = Vec::new();
    let mut sources: Vec<_> = directory
        .read_dir()
        .unwrap_or_else(|error| panic!("{}: {error}", directory.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    sources.sort();
    for source in sources {
        let Ok(lines) = std::fs::read_to_string(source.join("cases.jsonl")) else { continue };
        for line in lines.lines() {
            let json: Value = serde_json::from_str(line).unwrap();
            if json["kind"] == "sitemap" || json["kind"] == "date" {
                let name = source.file_name().unwrap().to_string_lossy().into_owned();
                cases.push(Case { source: name, directory: source.clone(), json });
            }
        }
    }
    cases
}

impl Case {
    /// The document, if this is a sitemap case.
    pub(crate) fn body(&self) -> Option<Vec<u8>> {
        let file = self.json["file"].as_str().filter(|_| self.json["kind"] == "sitemap")?;
        Some(std::fs::read(self.directory.join(file)).unwrap())
    }

    pub(crate) fn url(&self) -> Url {
        Url::parse(self.json["url"].as_str().unwrap()).unwrap()
    }

    fn check(&self) -> Result<(), String> {
        if self.json["kind"] == "date" {
            let text = self.json["text"].as_str().unwrap();
            let expected = self.json["expect"]["instant"].as_str().map(|instant| instant.parse().unwrap());
            return check_equal(&sitemap::lastmod::parse(text), &expected);
        }
        let body = self.body().unwrap();
        let (document, reading) = reading::read(&body, &self.url(), Limits::default());
        let expect = &self.json["expect"];
        let alternatives = expect["alt"].as_array().into_iter().flatten();
        let mut causes = Vec::new();
        for expect in std::iter::once(expect).chain(alternatives) {
            match check(expect, &document, &reading) {
                Ok(()) => return Ok(()),
                Err(cause) => causes.push(cause),
            }
        }
        Err(causes.join("; or "))
    }
}

fn check(expect: &Value, document: &Document, reading: &Reading) -> Result<(), String> {
    let expected_type = expect["type"].as_str().unwrap();
    let is_type = match expected_type {
        "urlset" => document.kind == Some(DocumentKind::Urlset),
        "index" => document.kind == Some(DocumentKind::Index),
        "text" => document.kind == Some(DocumentKind::Text),
        "rss" => document.kind == Some(DocumentKind::Rss),
        "atom" => document.kind == Some(DocumentKind::Atom),
        "none" => document.kind.is_none() && reading.items.is_empty(),
        "error" => document.ended != DocumentEnd::Whole,
        other => return Err(format!("unknown type {other}")),
    };
    if !is_type {
        return Err(format!("type {:?} ({}), expected {expected_type}", document.kind, document.ended));
    }
    check_locs(expect, &reading.locs())?;
    for field in ["lastmod", "changefreq", "priority", "news", "images", "videos", "alternates"] {
        check_field(expect, field, reading).map_err(|cause| format!("{field}: {cause}"))?;
    }
    check_counts(&expect["counts"], reading)
}

fn check_locs(expect: &Value, locs: &[&str]) -> Result<(), String> {
    let ours: Vec<_> = locs.iter().map(|loc| canonical(loc)).collect();
    let Some(expected) = expect["locs"].as_array() else {
        check_equal(&locs.len(), &(expect["locs_count"].as_u64().unwrap() as usize))?;
        let digest = |locs: String| hex(&Sha256::digest(locs));
        let is_same = expect["locs_sha256"] == digest(locs.join("\n"))
            || expect["locs_canon_sha256"] == digest(ours.join("\n"));
        return if is_same { Ok(()) } else { Err("the digest of the locs differs".to_owned()) };
    };
    let expected: Vec<_> = expected.iter().map(|loc| canonical(loc.as_str().unwrap())).collect();
    check_equal(&ours, &expected)
}

fn check_field(expect: &Value, field: &str, reading: &Reading) -> Result<(), String> {
    let Some(expected) = expect[field].as_array() else { return Ok(()) };
    for (index, (item, expected)) in reading.items.iter().zip(expected).enumerate() {
        if !expected.is_null() {
            check_contains(field, &item[field], expected)
                .map_err(|cause| format!("entry {index}: {cause}"))?;
        }
    }
    Ok(())
}

/// Checks that `actual` contains everything in `expected`. It may contain more.
fn check_contains(field: &str, actual: &Value, expected: &Value) -> Result<(), String> {
    match (actual, expected) {
        (Value::Object(actual), Value::Object(expected)) => {
            expected.iter().try_for_each(|(name, expected)| {
                check_contains(name, actual.get(name).unwrap_or(&Value::Null), expected)
            })
        }
        (Value::Array(actual), Value::Array(expected)) if actual.len() == expected.len() => actual
            .iter()
            .zip(expected)
            .try_for_each(|(actual, expected)| check_contains(field, actual, expected)),
        (Value::String(actual), Value::Number(expected)) => {
            check_equal(&actual.parse::<f64>().ok(), &expected.as_f64())
        }
        (Value::String(actual), Value::String(expected))
            if field == "lastmod" || field.ends_with("_date") =>
        {
            check_equal(&instant(actual), &instant(expected))
        }
        // Some sources replace line breaks inside a text with spaces, others keep them.
        (Value::String(actual), Value::String(expected)) => check_equal(
            &actual.split_whitespace().collect::<Vec<_>>(),
            &expected.split_whitespace().collect::<Vec<_>>(),
        ),
        _ => check_equal(actual, expected),
    }
}

/// A date as an instant. Texts of the corpus that are not dates are compared as text.
fn instant(text: &str) -> Result<Timestamp, &str> {
    sitemap::lastmod::parse(text).ok_or(text)
}

fn check_counts(expected: &Value, reading: &Reading) -> Result<(), String> {
    for (field, expected) in expected.as_object().into_iter().flatten() {
        let actual: usize = reading
            .items
            .iter()
            .map(|item| match &item[field.as_str()] {
                Value::Null => 0,
                Value::Array(list) => list.len(),
                _ => 1,
            })
            .sum();
        check_equal(&(actual as u64), &expected.as_u64().unwrap())
            .map_err(|cause| format!("count of {field}: {cause}"))?;
    }
    Ok(())
}

fn check_equal<T: PartialEq + std::fmt::Debug>(actual: &T, expected: &T) -> Result<(), String> {
    if actual == expected { Ok(()) } else { Err(format!("{actual:?}, expected {expected:?}")) }
}

/// Normalises a URL: scheme and host in lower case, no default port, a path, and everything but printable ASCII
/// percent-encoded. The corpus ignores these differences between URLs.
fn canonical(loc: &str) -> String {
    let Some((scheme, rest)) = loc.split_once("://") else { return loc.to_owned() };
    let scheme = scheme.to_ascii_lowercase();
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (host, tail) = rest.split_at(end);
    let default_port = if scheme == "https" { ":443" } else { ":80" };
    let host = host.to_ascii_lowercase();
    let host = host.strip_suffix(default_port).unwrap_or(&host);
    let slash = if tail.starts_with('/') { "" } else { "/" };
    let mut canonical = format!("{scheme}://{host}{slash}");
    for byte in tail.bytes() {
        if (b'!'..=b'~').contains(&byte) {
            canonical.push(char::from(byte));
        } else {
            canonical.push_str(&format!("%{byte:02X}"));
        }
    }
    canonical
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
