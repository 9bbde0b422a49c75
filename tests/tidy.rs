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
        let manifest = read(&format!("crates/{room}/Cargo.toml"));
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
        for source in sources(&root().join("crates").join(room).join("src")) {
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

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
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
