//! What the library needs.

use std::process::Command;

#[test]
fn the_library_needs_nothing_of_the_command_line() {
    let tree = Command::new(env!("CARGO"))
        .args([
            "tree",
            "-p",
            "crawler",
            "--no-default-features",
            "-e",
            "normal",
            "--prefix",
            "none",
            "--offline",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let tree = String::from_utf8(tree.stdout).unwrap();
    assert!(tree.contains("sitemap v"), "{tree}");
    for name in ["clap", "indicatif", "tracing-subscriber"] {
        assert!(!tree.lines().any(|line| line.starts_with(&format!("{name} "))), "{name} is needed");
    }
}
