//! The examples of the library run.

use std::path::PathBuf;
use std::process::Command;

use super::site;

/// An example that cargo has built beside this test.
fn example(name: &str) -> Command {
    let test = std::env::current_exe().unwrap();
    let path: PathBuf = test.parent().and_then(|deps| deps.parent()).unwrap().join("examples").join(name);
    assert!(path.is_file(), "{} is not built: run `cargo test --workspace`", path.display());
    Command::new(path)
}

fn stdout(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn stream_prints_the_entries_of_a_site() {
    let server = site::serve(2, 3);
    let printed = stdout(example("stream").args([&site::seed(&server), "--allow-private"]));
    let base = site::seed(&server);
    assert!(printed.contains(&format!("{base}1/2\n")), "{printed}");
    assert!(printed.ends_with("# 6 entries in 4 requests\n"), "{printed}");
}

#[test]
fn many_handles_the_failures_of_some_sites() {
    let (good, bad) = (
        site::serve(1, 3),
        site::serve_with(0, 0, |site| site.page("/sitemap.xml", fakesite::Page::html("<p>"))),
    );
    let folder = tempfile::tempdir().unwrap();
    let seeds = folder.path().join("seeds.txt");
    std::fs::write(&seeds, format!("{}\n{}\n", site::seed(&good), site::seed(&bad))).unwrap();
    let printed = stdout(example("many").arg(seeds).arg("--allow-private"));
    assert!(printed.contains("0.xml (3 entries)"), "{printed}");
    assert!(printed.contains("1 of 2 sites are incomplete") || printed.contains("0 of 2"), "{printed}");
}

#[test]
fn resume_continues_a_stopped_crawl() {
    let server = site::serve(5, 2);
    let folder = tempfile::tempdir().unwrap();
    let mut command = example("resume");
    command.arg(site::seed(&server)).arg(folder.path()).arg("--allow-private");
    let printed = stdout(&mut command);
    assert!(printed.contains("second run: 0 tasks are left"), "{printed}");
    assert!(printed.ends_with("10 entries in both runs\n"), "{printed}");
}
