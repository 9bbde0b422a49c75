//! The library leaves its process alone.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

use crawler::error::Kind;
use crawler::{Crawl, Ended, Results};

use super::site;

#[test]
fn it_prints_nothing_and_reads_no_environment_and_sets_no_logger() {
    let server = site::serve(3, 10);
    let output = Command::new(env!("CARGO_BIN_EXE_embedding"))
        .arg(site::seed(&server))
        // A proxy that cannot be reached, and the most talkative log.
        .envs([
            ("HTTP_PROXY", "http://127.0.0.1:1"),
            ("http_proxy", "http://127.0.0.1:1"),
            ("RUST_LOG", "trace"),
        ])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "entries 30 logger false\n");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert!(output.status.success());
}

#[test]
fn it_handles_no_signal() {
    let server = site::serve(1, 1);
    // A program that a shell runs in the background ignores SIGINT, and so would its children.
    let mut child = Command::new("env")
        .args(["--default-signal=INT", env!("CARGO_BIN_EXE_embedding")])
        .args([&site::seed(&server), "wait"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The crawl has run when the line is there.
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "entries 1 logger false\n");
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    assert_eq!(child.wait().unwrap().signal(), Some(2), "the default action of SIGINT ends it");
    let mut stderr = String::new();
    child.stderr.unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!(stderr, "");
}

#[tokio::test]
async fn two_crawls_run_in_one_process() {
    let (first, second) = (site::serve(5, 20), site::serve(7, 30));
    let crawl = |server| Crawl::builder().seed(site::seed(server)).rate(0.0).allow_private(true).run();
    let (first, second) = tokio::join!(crawl(&first), crawl(&second));
    assert_eq!((first.unwrap().entries(), second.unwrap().entries()), (100, 210));
}

#[tokio::test]
async fn errors_have_a_kind() {
    let kind = |result: Result<_, crawler::Error>| match result {
        Ok(_) => panic!("it must fail"),
        Err(error) => (error.kind(), error.to_string()),
    };
    let (invalid, message) = kind(Crawl::builder().seed("ftp://example.com/").run().await);
    assert_eq!(invalid, Kind::Invalid);
    assert!(message.contains("seed 1") && message.contains("ftp"), "{message}");
    assert_eq!(kind(Crawl::builder().seed("a.example").rate(-1.0).run().await).0, Kind::Invalid);
    assert_eq!(kind(Crawl::builder().seed("a.example").header("no colon").run().await).0, Kind::Invalid);

    let empty = tempfile::tempdir().unwrap();
    assert_eq!(kind(Crawl::builder().data_dir(empty.path()).run().await).0, Kind::NotFound);
    assert_eq!(Results::open(empty.path()).map(|_| ()).unwrap_err().kind(), Kind::NotFound);
    std::fs::write(empty.path().join("notes.txt"), "not a crawl").unwrap();
    let foreign = Crawl::builder().data_dir(empty.path()).seed("a.example").run().await;
    assert_eq!(kind(foreign).0, Kind::Invalid);
}

#[tokio::test]
async fn a_data_directory_in_use_says_so_and_can_be_read() {
    let server = site::serve(2, 2);
    let folder = tempfile::tempdir().unwrap();
    let builder =
        || Crawl::builder().seed(site::seed(&server)).rate(0.5).allow_private(true).data_dir(folder.path());
    let crawl = builder().start().await.unwrap();
    assert_eq!(builder().start().await.map(|_| ()).unwrap_err().kind(), Kind::InUse);
    let path = folder.path().to_owned();
    let is_running =
        tokio::task::spawn_blocking(move || Results::open(path).map(|results| results.is_running()));
    assert!(is_running.await.unwrap().unwrap());
    crawl.stop();
    assert_eq!(crawl.finish().await.unwrap().ended(), Ended::Interrupted);
}

#[tokio::test]
async fn a_temporary_crawl_leaves_nothing_behind() {
    let server = site::serve(2, 2);
    let place = tempfile::tempdir().unwrap();
    let output = tokio::task::spawn_blocking({
        let (seed, place) = (site::seed(&server), place.path().to_owned());
        move || Command::new(env!("CARGO_BIN_EXE_embedding")).arg(seed).env("TMPDIR", place).output()
    });
    assert!(output.await.unwrap().unwrap().status.success());
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0);
}
