//! Failures of the machine: full disk, read-only disk, few descriptors, a signal at any moment. The message says what
//! failed and where, and after a later run the export is the same as that of an undisturbed crawl.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use fakesite::{Latency, Misbehaviour, Page, ServeOptions, Site, Web, plain};

use super::resume::terminate;
use super::run::{Dice, comparable, wait_until};
use super::run::{Run, expect, index, start, stderr};

const WEB: plain::Options = plain::Options { hosts: 10, sitemaps: 6, entries: 500 };

/// Sizes of the disk. It becomes full while the data dir or the queue is created, or while entries are written.
const SIZES: [&str; 6] = ["4k", "16k", "64k", "256k", "700k", "1500k"];

#[test]
fn a_full_disk_ends_the_crawl_with_a_reason_and_once_there_is_room_nothing_is_missing() {
    let expected = undisturbed(WEB);
    for size in SIZES {
        let run = crawl_of(WEB, Duration::ZERO);
        let Some(disk) = Disk::mounted(&run.data_dir(), size) else { return };
        // The second run, still without room, must not make it worse.
        for _ in 0..2 {
            let said = stderr(&expect(run.crawl_command(), 1));
            assert_eq!(said.lines().filter(|line| line.starts_with("error: ")).count(), 1, "{size}: {said}");
            assert!(said.contains(&*run.data_dir().to_string_lossy()), "{size}: {said}");
            let reason = ["No space left on device", "no storage space"];
            assert!(reason.iter().any(|reason| said.contains(reason)), "{size}: {said}");
            assert!(said.contains("make room there, then run the command again"), "{size}: {said}");
            assert!(!said.contains("panicked"), "{size}: {said}");
        }
        disk.remount("size=64m");
        expect(run.crawl_command(), 0);
        assert!(comparable(&run) == expected, "{size}: the export differs from that of an undisturbed crawl");
    }
}

#[test]
fn a_read_only_data_dir_is_named_and_once_writable_the_crawl_goes_on() {
    let expected = undisturbed(WEB);
    let run = crawl_of(WEB, Duration::from_millis(5));
    let Some(disk) = Disk::mounted(&run.data_dir(), "64m") else { return };
    let mut crawl = start(run.crawl_command());
    wait_until("some requests were made", || run.server.log().len() > 20);
    crawl.kill().unwrap();
    crawl.wait().unwrap();

    disk.remount("ro");
    let all = ["resume", "export", "report", "status"];
    for command in all.map(|name| run.command(&[name])).into_iter().chain([run.crawl_command()]) {
        let said = stderr(&expect(command, 1));
        assert!(said.contains(&*run.data_dir().to_string_lossy()), "{said}");
        assert!(said.contains("Read-only file system"), "{said}");
        assert!(said.contains("hint: make it writable"), "{said}");
    }
    disk.remount("rw");
    expect(run.resume_command(&[]), 0);
    assert!(comparable(&run) == expected, "the export differs from that of an undisturbed crawl");
}

#[test]
fn with_64_descriptors_the_crawl_of_many_hosts_is_slower_and_the_same() {
    let many = plain::Options { hosts: 150, sitemaps: 2, entries: 20 };
    let expected = undisturbed(many);
    for host_concurrency in ["1", "10"] {
        let run = crawl_of(many, Duration::from_millis(20)).flags(&["--host-concurrency", host_concurrency]);
        let command = run.crawl_command();
        let mut few = Command::new("sh");
        few.args(["-c", "ulimit -n 64; exec \"$0\" \"$@\""])
            .arg(command.get_program())
            .args(command.get_args());
        few.env_remove("RUST_LOG").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let said = stderr(&expect(few, 0));
        assert!(said.contains("only 64 files may be open at once (ulimit -n)"), "{said}");
        assert!(comparable(&run) == expected, "the export differs from that of an undisturbed crawl");
        assert!(
            run.request_counts().values().all(|&times| times == 1),
            "no request failed for lack of a descriptor"
        );
    }
}

#[test]
fn sigterm_at_any_moment_ends_with_its_own_code_and_costs_no_request() {
    let expected = undisturbed(WEB);
    let mut run = crawl_of(WEB, Duration::from_millis(5));
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let mut interrupted = 0;
    for round in 0..30 {
        let crawl = start(run.crawl_command());
        // From here on the data dir is being opened, and the signal may arrive at any moment.
        let lock = run.data_dir().join("lock");
        let pid = format!("{}\n", crawl.id());
        wait_until("the data dir is locked", || std::fs::read_to_string(&lock).is_ok_and(|text| text == pid));
        std::thread::sleep(Duration::from_micros(dice.below(if round % 2 == 0 { 5_000 } else { 200_000 })));
        terminate(&crawl);
        let status = { crawl }.wait().unwrap();
        match status.code() {
            Some(130) => interrupted += 1,
            // The crawl had finished, so the next round starts a new one.
            Some(0) => {
                assert!(comparable(&run) == expected, "round {round}: the export differs");
                run = crawl_of(WEB, Duration::from_millis(5));
            }
            _ => panic!("round {round}: ended with {status}"),
        }
    }
    assert!(interrupted >= 15, "only {interrupted} of 30 signals interrupted a running crawl");
    expect(run.crawl_command(), 0);
    assert!(comparable(&run) == expected, "the export differs from that of an undisturbed crawl");
    assert!(
        run.request_counts().values().all(|&times| times == 1),
        "requests in flight were finished and kept"
    );
}

#[test]
fn a_host_that_hangs_does_not_hold_up_the_end() {
    for signals in 1..=2 {
        let site = Site::new()
            .page("/robots.txt", Page::text("Sitemap: https://a.test/index.xml\n"))
            .page("/index.xml", Page::xml(index(&["https://a.test/hangs.xml"])))
            .page("/hangs.xml", Page::text("").misbehaves(Misbehaviour::NeverAnswers));
        // Without the signal the crawl would hang for longer than `wait_until` waits.
        let run = Run::of(Web::new().host("a.test", site), &["a.test"]).flags(&["--timeout", "300"]);
        let mut crawl = start(run.crawl_command());
        wait_until("the page that hangs is asked for", || {
            run.request_counts().contains_key("https://a.test/hangs.xml")
        });
        for _ in 0..signals {
            terminate(&crawl);
            // Without a pause the system would merge two signals into one.
            std::thread::sleep(Duration::from_millis(100));
        }
        wait_until("the crawl has ended", || crawl.try_wait().unwrap().is_some());
        assert_eq!(crawl.wait().unwrap().code(), Some(130));
        assert_eq!(run.report()["crawl"]["state"], "interrupted");
    }
}

#[test]
fn an_export_to_where_nothing_can_be_written_names_the_place() {
    let run = crawl_of(WEB, Duration::ZERO);
    run.crawl();
    for format in ["txt", "csv", "jsonl", "parquet"] {
        let export = |place: &Path| {
            let mut command = run.command(&["export", "--format", format]);
            command.arg("-o").arg(place);
            stderr(&expect(command, 1))
        };
        let said = export("/dev/full".as_ref());
        assert!(said.contains("failed to write /dev/full"), "{format}: {said}");
        assert!(
            said.contains("No space left on device") && said.contains("hint: make room"),
            "{format}: {said}"
        );
        let nowhere = run.path("no-such-folder/out");
        let said = export(&nowhere);
        assert!(said.contains(&format!("failed to write {}", nowhere.display())), "{format}: {said}");

        let mut command = run.command(&["export", "--format", format]);
        command.stdout(std::fs::File::options().write(true).open("/dev/full").unwrap());
        let said = stderr(&expect(command, 1));
        assert!(said.contains("failed to write stdout"), "{format}: {said}");
    }
}

#[test]
fn an_export_on_a_full_disk_leaves_the_old_file_as_it_was() {
    let run = crawl_of(WEB, Duration::ZERO);
    run.crawl();
    let folder = run.path("small");
    let Some(_disk) = Disk::mounted(&folder, "24k") else { return };
    let path = folder.join("urls.txt");
    std::fs::write(&path, "as it was").unwrap();
    for format in ["txt", "csv", "jsonl", "parquet"] {
        let mut command = run.command(&["export", "--format", format]);
        command.arg("-o").arg(&path);
        let said = stderr(&expect(command, 1));
        assert!(said.contains(&format!("failed to write {}", path.display())), "{format}: {said}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "as it was", "{format}");
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1, "{format}: a file was left over");
    }
}

#[test]
fn an_export_whose_reader_has_seen_enough_ends_quietly() {
    let run = crawl_of(WEB, Duration::ZERO);
    run.crawl();
    for format in ["txt", "csv", "jsonl", "parquet"] {
        for flags in [&[][..], &["--unique"]] {
            let mut export = run.command(&["export", "--format", format]).args(flags).spawn().unwrap();
            // Closes the other end of the pipe before reading from it.
            drop(export.stdout.take());
            let output = export.wait_with_output().unwrap();
            assert_eq!((output.status.code(), &*stderr(&output)), (Some(0), ""), "{format} {flags:?}");
        }
    }
    // The other commands that write results behave the same.
    for name in ["report", "status"] {
        let mut command = run.command(&[name]).spawn().unwrap();
        drop(command.stdout.take());
        let output = command.wait_with_output().unwrap();
        assert_eq!((output.status.code(), &*stderr(&output)), (Some(0), ""), "{name}");
    }
}

fn crawl_of(options: plain::Options, latency: Duration) -> Run {
    let latency = Latency::between(latency, latency * 2);
    let server = plain::web(options).serve(ServeOptions { latency, ..ServeOptions::default() }).unwrap();
    let seeds: Vec<String> = (0..options.hosts).map(plain::host_name).collect();
    let seeds: Vec<&str> = seeds.iter().map(String::as_str).collect();
    Run::on(server, &seeds)
}

/// The export of an undisturbed crawl.
fn undisturbed(options: plain::Options) -> Vec<String> {
    let run = crawl_of(options, Duration::ZERO);
    run.crawl();
    let entries = comparable(&run);
    assert_eq!(entries.len() as u64, options.entries_in_all());
    entries
}

/// A small tmpfs disk, unmounted when dropped.
struct Disk(PathBuf);

impl Disk {
    /// Mounts a disk of `size` at `path`. Prints a message and returns `None` if this machine does not permit it.
    fn mounted(path: &Path, size: &str) -> Option<Self> {
        std::fs::create_dir_all(path).unwrap();
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(path)
            .output();
        match mount {
            Ok(output) if output.status.success() => Some(Self(path.to_owned())),
            refused => {
                // Printed even if the test passes: the test runner hides only the output of the print macros.
                let why = refused.map_or_else(|error| error.to_string(), |output| stderr(&output));
                let message = format!(
                    "NOT TESTED: a full or read-only disk. The test needs `mount -t tmpfs`, which requires root \
                     (or CAP_SYS_ADMIN): {why}\n"
                );
                std::io::stderr().write_all(message.as_bytes()).unwrap();
                None
            }
        }
    }

    fn remount(&self, option: &str) {
        let status =
            Command::new("mount").args(["-o", &format!("remount,{option}")]).arg(&self.0).status().unwrap();
        assert!(status.success(), "mount -o remount,{option} {}", self.0.display());
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // A lazy unmount, because after a failed test a process may still use the disk.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}
