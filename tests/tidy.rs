//! The laws of the house that no compiler checks.

use std::path::Path;

mod production;

/// The crates of the crawler itself, lower ones first.
const ROOMS: [&str; 5] = ["sitemap", "frontier", "storage", "reports", "crawler"];

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

/// Where production code may ask for the time, and what for. A crawl takes every moment that it decides by from
/// `crawler::clock`; the others measure or wait.
const MAY_ASK_FOR_THE_TIME: &[(&str, &str)] = &[
    ("crawler/src/clock.rs", "the clock itself"),
    ("crawler/src/cpu_meter.rs", "CPU time of threads and of the process"),
    ("crawler/src/cli/progress.rs", "how often the progress line is drawn"),
    ("crawler/src/fetch/get.rs", "time-outs of a request"),
];

/// Where production code may name a library that opens connections, and what for.
const MAY_NAME_THE_NETWORK: &[(&str, &str)] = &[
    ("crawler/src/fetch/client.rs", "the HTTP client"),
    ("crawler/src/fetch/get.rs", "requests"),
    ("crawler/src/fetch/resolver.rs", "DNS queries"),
    ("crawler/src/builder.rs", "the proxy that the user gave"),
    ("crawler/src/settings.rs", "the proxy that the user gave"),
    ("storage/src/live/", "the Unix socket on which a running crawl answers its readers"),
    ("storage/src/shared/bucket.rs", "segments in a bucket"),
    ("storage/src/work_queue/postgres/", "the work queue of a shared crawl"),
];

/// Dependencies of production code that open connections or read clocks by themselves. What they do then, none of these
/// tests sees.
const REACH_OUT: &[(&str, &str)] = &[
    ("tokio", "sockets and timers"),
    ("reqwest", "connections to sites, time-outs of idle ones"),
    ("hickory-resolver", "queries to name servers, how long a name is cached"),
    ("rustls", "whether a certificate is still valid"),
    ("tokio-postgres", "connections to the database"),
    ("deadpool-postgres", "connections to the database"),
    ("object_store", "connections to the bucket, the time of signatures"),
    ("sled", "its flush every 500 ms"),
    ("tracing-subscriber", "the time of log lines"),
    ("indicatif", "the elapsed time of the progress line"),
    ("rustix", "system calls: the CPU time of threads"),
    ("libc", "system calls: settings of the allocator"),
];

/// All other dependencies of production code. They are given what they read. `governor` is given our clock, `hyper`,
/// `tokio-postgres-rustls` and `tower` are given connections, and `jiff` would read a clock only in `Zoned::now`.
const REACH_NOTHING: &[&str] = &[
    "anyhow",
    "arrow-array",
    "arrow-buffer",
    "arrow-ipc",
    "arrow-schema",
    "arrow-select",
    "askama",
    "base64",
    "bytes",
    "clap",
    "clap_complete",
    "clap_mangen",
    "crc32c",
    "encoding_rs",
    "flatbuffers",
    "flate2",
    "futures-core",
    "futures-util",
    "getrandom",
    "governor",
    "hdrhistogram",
    "http",
    "httpdate",
    "hyper",
    "jiff",
    "memchr",
    "parquet",
    "percent-encoding",
    "postcard",
    "psl",
    "quick-xml",
    "regex",
    "rustls-native-certs",
    "serde",
    "serde_json",
    "sha2",
    "simdutf8",
    "slab",
    "smallvec",
    "tempfile",
    "texting_robots",
    "thiserror",
    "tokio-postgres-rustls",
    "tokio-util",
    "tower",
    "tracing",
    "url",
    "uuid",
];

/// Whoever adds a dependency says whether it reaches the network or a clock. The crates that are given time and bytes have
/// none that does.
#[test]
fn every_dependency_is_known_by_what_it_reaches() {
    let reaches_out = |library: &str| REACH_OUT.iter().any(|(known, _)| *known == library);
    let mut unused: Vec<&str> =
        REACH_OUT.iter().map(|(known, _)| *known).chain(REACH_NOTHING.iter().copied()).collect();
    for room in ROOMS {
        for library in dependencies(&read(&format!("{room}/Cargo.toml"))) {
            if ROOMS.contains(&library.as_str()) {
                continue;
            }
            unused.retain(|known| *known != library);
            let is_known = reaches_out(&library) != REACH_NOTHING.contains(&library.as_str());
            assert!(is_known, "{room}: {library} must be in one of the two lists");
            let is_given_all = ["sitemap", "frontier", "reports"].contains(&room);
            assert!(!is_given_all || !reaches_out(&library), "{room} depends on {library}");
        }
    }
    assert!(unused.is_empty(), "no production code depends on {unused:?}");
}

/// The names of the dependencies in a manifest, without those of tests and build scripts.
fn dependencies(manifest: &str) -> Vec<String> {
    let mut is_production = false;
    let mut names = Vec::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            let section = line.trim_end_matches(']');
            is_production = section.ends_with("dependencies") && !section.ends_with("-dependencies");
        } else if is_production && !line.starts_with('#') {
            let name = line.split(['.', ' ', '=']).next().unwrap();
            names.extend((!name.is_empty()).then(|| name.to_owned()));
        }
    }
    names
}

/// Time comes in by the door. The test reads all production code to its end, tests left out. It does not see what a
/// dependency asks for by itself ([`REACH_OUT`]), calls that only wait, and the time that a file was changed.
#[test]
fn only_named_files_ask_for_the_time() {
    let words = [
        "SystemTime::now",
        "Instant::now",
        "Timestamp::now",
        "Zoned::now",
        "Utc::now",
        "clock_gettime",
        "Instant as",
        "SystemTime as",
        "UNIX_EPOCH.elapsed",
    ];
    assert_only_in(MAY_ASK_FOR_THE_TIME, &words);
}

/// The engine waits by its clock alone, so that a simulation can run it in virtual time.
#[test]
fn the_engine_waits_by_its_clock_alone() {
    for room in ["crawler/src/engine", "crawler/src/shared"] {
        for (path, code) in production::files(&root().join(room)) {
            for word in ["tokio::time", "SystemClock", "thread::sleep"] {
                let is_composition = (path.ends_with("shared/mod.rs") || path.ends_with("shared/start.rs"))
                    && word == "SystemClock";
                assert!(is_composition || !code.contains(word), "{} uses {word}", path.display());
            }
        }
    }
}

/// The network comes in by the door. The test sees the names of the libraries that we use, not what these do: connections of
/// the database client and of the bucket client are opened inside those libraries.
#[test]
fn only_named_files_reach_the_network() {
    let words = [
        "TcpStream",
        "TcpListener",
        "TcpSocket",
        "UdpSocket",
        "UnixListener",
        "UnixStream",
        "UnixDatagram",
        "UnixSocket",
        "ToSocketAddrs",
        "lookup_host",
        "rustix::net",
        "libc::socket",
        "reqwest",
        "hyper",
        "hickory_resolver",
        "tokio_postgres",
        "deadpool_postgres",
        "object_store",
    ];
    assert_only_in(MAY_NAME_THE_NETWORK, &words);
}

/// Every file of production code that has one of `words` is in `allowed`, and nothing else is.
fn assert_only_in(allowed: &[(&str, &str)], words: &[&str]) {
    let mut unused: Vec<&str> = allowed.iter().map(|(place, _)| *place).collect();
    for room in ROOMS {
        for (path, code) in production::files(&root().join(room).join("src")) {
            let path = path.strip_prefix(root()).unwrap().to_str().unwrap();
            let is_word = |word: &&&str| {
                let ends = |text: &str| !text.starts_with(|c: char| c.is_alphanumeric() || c == '_');
                code.match_indices(**word).any(|(at, _)| ends(&code[at + word.len()..]))
            };
            let Some(word) = words.iter().find(is_word) else { continue };
            let place = allowed.iter().find(|(place, _)| path.starts_with(place));
            assert!(place.is_some(), "{path} uses {word}");
            unused.retain(|unused| Some(*unused) != place.map(|(place, _)| *place));
        }
    }
    assert!(unused.is_empty(), "these no longer need leave: {unused:?}");
}

/// Private words stay out: tests/private-words.txt says what to write instead.
#[test]
fn no_private_word_comes_back() {
    let script = std::process::Command::new("bash")
        .arg(root().join("tests/words.sh"))
        .arg("private")
        .output()
        .unwrap();
    let found = String::from_utf8_lossy(&script.stdout);
    assert!(script.status.success(), "{found}{}", String::from_utf8_lossy(&script.stderr));
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
