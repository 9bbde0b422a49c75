//! Each flag of the program is a method of the library's builder, and the other way round.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// Flags that only concern what the program prints, and its exit code.
const OF_THE_PROGRAM: &[&str] =
    &["help", "version", "verbose", "quiet", "no_progress", "log_format", "strict"];

/// Flags whose method has another name: a file of seeds, and the places of a shared crawl.
const RENAMED: &[(&str, &str)] =
    &[("seeds", "seeds_file"), ("store", "shared"), ("output", "shared"), ("crawl", "shared")];

/// Methods without a flag, and why.
const OF_THE_LIBRARY: &[(&str, &str)] = &[
    ("seeds", "several seeds from a program"),
    ("seeds_text", "seeds from standard input"),
    ("temporary", "the program always has a data directory"),
    ("system_proxy", "what the program does without --proxy"),
];

#[test]
fn each_flag_has_its_method_and_each_method_its_flag() {
    let flags = flags();
    let methods = methods();
    assert!(flags.len() > 20 && methods.len() > 20, "{flags:?} {methods:?}");
    for flag in &flags {
        let name = RENAMED.iter().find(|(from, _)| from == flag).map_or(flag.as_str(), |(_, to)| to);
        assert!(methods.contains(name), "--{flag} has no method {name}");
    }
    let named = |method: &String| {
        flags.contains(method)
            || RENAMED.iter().any(|(_, to)| to == method)
            || OF_THE_LIBRARY.iter().any(|(name, _)| name == method)
    };
    for method in &methods {
        assert!(named(method), "{method} has no flag");
    }
}

/// The flags of a crawl, of resuming one and of joining one, with underscores.
fn flags() -> BTreeSet<String> {
    let mut flags = BTreeSet::new();
    for command in [&["--help"][..], &["resume", "--help"], &["work", "--help"]] {
        let help = Command::new(env!("CARGO_BIN_EXE_crawl")).args(command).output().unwrap();
        let help = String::from_utf8(help.stdout).unwrap();
        for line in help.lines().map(str::trim_start).filter(|line| line.starts_with('-')) {
            let long = line.split_once("--").map(|(_, rest)| rest).unwrap_or_default();
            let name: String = long.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
            flags.insert(name.replace('-', "_"));
        }
    }
    flags.retain(|flag| !flag.is_empty() && !OF_THE_PROGRAM.contains(&flag.as_str()));
    flags
}

/// The public methods of the builder.
fn methods() -> BTreeSet<String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/builder.rs");
    let source = std::fs::read_to_string(source).unwrap();
    let declared = source.lines().filter_map(|line| {
        let line = line.strip_prefix("    pub ")?;
        line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ")
    });
    let name = |line: &str| line.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    declared.map(name).collect()
}
