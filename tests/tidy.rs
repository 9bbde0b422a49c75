//! The laws of the house that no compiler checks.

use std::path::Path;

/// Lower rooms know nothing of upper ones.
#[test]
fn a_crate_uses_only_the_rooms_below_it() {
    for (room, below) in [
        ("sitemap", &[][..]),
        ("frontier", &[]),
        ("storage", &["sitemap", "frontier"]),
        ("reports", &["sitemap", "frontier", "storage"]),
    ] {
        let manifest = read(&format!("{room}/Cargo.toml"));
        for other in ["sitemap", "frontier", "storage", "reports", "crawler", "fakesite"] {
            let uses = manifest.lines().any(|line| line.starts_with(other));
            assert!(!uses || below.contains(&other), "{room} uses {other}");
        }
    }
}

/// Time and network come in by the door, so that a test can hold it shut.
#[test]
fn only_the_crawler_asks_for_the_time_or_opens_sockets() {
    for room in ["sitemap", "frontier", "storage", "reports"] {
        for source in sources(&root().join(room).join("src")) {
            let text = std::fs::read_to_string(&source).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            for word in
                ["SystemTime::now", "Instant::now", "Timestamp::now", "TcpStream", "UdpSocket", "reqwest"]
            {
                assert!(!code.contains(word), "{} uses {word}", source.display());
            }
        }
    }
}

/// docs/FORMATS.md says where each awkward document and each clause of a standard is tested.
#[test]
fn every_fixture_and_test_that_the_formats_name_exists() {
    let formats = read("docs/FORMATS.md");
    let tables = formats.split_once("## Awkward documents").unwrap().1;
    let places = ["sitemap/tests", "frontier/src", "tests/end_to_end"];
    let tests: String = places
        .iter()
        .flat_map(|place| sources(&root().join(place)))
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect();
    let readings = root().join("sitemap/tests/readings");
    let rows: Vec<_> = tables.lines().filter(|line| line.starts_with("| ") && line.contains('`')).collect();
    assert!(rows.len() > 70, "{} rows are found", rows.len());
    for row in rows {
        let last_cell = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        for name in last_cell.split('`').skip(1).step_by(2) {
            let exists =
                tests.contains(&format!("fn {name}(")) || readings.join(format!("{name}.snap")).is_file();
            assert!(exists, "{name} is neither a test nor a fixture with a reading: {row}");
        }
    }
}

/// docs/SECURITY.md says by which test each promise is kept.
#[test]
fn every_test_that_the_promises_name_exists() {
    let tests: String = ["sitemap", "frontier", "storage", "reports", "crawler", "tests"]
        .iter()
        .flat_map(|place| sources(&root().join(place)))
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect();
    let promises = read("docs/SECURITY.md");
    let rows: Vec<_> = promises.lines().filter(|line| line.starts_with("| ") && line.contains('`')).collect();
    assert!(rows.len() > 60, "{} rows are found", rows.len());
    for row in rows {
        let last_cell = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        let names: Vec<&str> = last_cell.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "no test is named: {row}");
        for name in names {
            let is_there = ["(", "<"].iter().any(|next| tests.contains(&format!("fn {name}{next}")));
            assert!(is_there, "{name} is no test: {row}");
        }
    }
}

/// Quadratic work in quick-xml below 0.41 (RUSTSEC-2026-0194, RUSTSEC-2026-0195) must not come back with an update, nor with
/// a dependency: the client of buckets brings a version of its own.
#[test]
fn the_xml_library_is_pinned_beyond_its_advisories() {
    let manifest = read("Cargo.toml");
    let pinned = manifest.lines().find_map(|line| line.strip_prefix("quick-xml = \"=")).unwrap();
    let lock = read("Cargo.lock");
    let locked: Vec<&str> = lock.split("name = \"quick-xml\"\nversion = \"").skip(1).collect();
    assert!(!locked.is_empty());
    for version in locked.into_iter().chain([pinned]) {
        let minor = version.strip_prefix("0.").and_then(|rest| rest.split('.').next()).unwrap();
        assert!(minor.parse::<u32>().unwrap() >= 41, "quick-xml 0.{minor}");
    }
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

fn sources(dir: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}
