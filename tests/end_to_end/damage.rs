//! Flipped bytes, truncated files and missing files in a data dir. The export is exact, or an error message names the
//! damaged file and a remedy that works. There is never a panic, a hang, or an export that lacks entries silently.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use fakesite::{Latency, ServeOptions, plain};

use super::run::{Dice, Run, comparable, expect, start, stderr, wait_until};

/// Number of bytes flipped in each of the two data dirs; `make soak` sets a higher number.
const FLIPS: usize = 100;

/// Maximum time of a command on a damaged data dir.
const PATIENCE: Duration = Duration::from_secs(20);

const WEB: plain::Options = plain::Options { hosts: 8, sitemaps: 8, entries: 40 };

#[test]
fn a_finished_crawl_that_is_damaged_exports_exactly_or_says_what_to_do() {
    let run = crawl_of_plain_web(Latency::default());
    run.crawl();
    Trial::on(run).all(&mut Dice(0x9e37_79b9_7f4a_7c15));
}

#[test]
fn a_killed_crawl_that_is_damaged_exports_exactly_or_says_what_to_do() {
    let latency = Latency::between(Duration::from_millis(5), Duration::from_millis(25));
    let run = crawl_of_plain_web(latency);
    let mut crawl = start(run.crawl_command());
    let half = (WEB.hosts * WEB.sitemaps / 2) as usize;
    wait_until("half of it is crawled", || run.server.log().len() > half);
    crawl.kill().unwrap();
    crawl.wait().unwrap();
    Trial::on(run).all(&mut Dice(0xd1b5_4a32_d192_ed03));
}

fn crawl_of_plain_web(latency: Latency) -> Run {
    let server = plain::web(WEB).serve(ServeOptions { latency, ..ServeOptions::default() }).unwrap();
    let seeds: Vec<String> = (0..WEB.hosts).map(plain::host_name).collect();
    let seeds: Vec<&str> = seeds.iter().map(String::as_str).collect();
    Run::on(server, &seeds).flags(&["--concurrency", "8"])
}

/// A change to a file.
#[derive(Clone, Copy, Debug)]
enum Damage {
    Flip(usize, u8),
    Truncate(usize),
    Delete,
}

/// A data dir to damage repeatedly.
struct Trial {
    run: Run,
    /// The folder with the undamaged copy.
    undamaged: PathBuf,
    files: Vec<PathBuf>,
    /// The export of the undamaged data dir, and its export after the crawl was resumed to its end.
    before: Vec<String>,
    after: Vec<String>,
    /// Number of entries that the crawl had confirmed as committed. The kill may have come after the last commit of the
    /// queue and before its confirmation. If damage takes that commit away, the queue is as it was before it.
    confirmed: usize,
    reported: usize,
    failures: usize,
}

impl Trial {
    fn on(run: Run) -> Self {
        let undamaged = run.path("undamaged");
        std::fs::rename(run.data_dir(), &undamaged).unwrap();
        let mut files = Vec::new();
        list_files(&undamaged, &undamaged, &mut files);
        files.sort();
        copy_dir(&undamaged, &run.data_dir());
        let before = comparable(&run);
        expect(run.resume_command(&[]), 0);
        let after = comparable(&run);
        assert_eq!(after.len() as u64, WEB.entries_in_all());
        let confirmed = confirmed(&undamaged);
        Self { run, undamaged, files, before, after, confirmed, reported: 0, failures: 0 }
    }

    fn all(mut self, dice: &mut Dice) {
        let flips = std::env::var("FLIPS").map_or(FLIPS, |flips| flips.parse().unwrap());
        for file in self.files.clone() {
            let length = std::fs::metadata(self.undamaged.join(&file)).unwrap().len();
            self.attempt(&file, Damage::Truncate(usize::try_from(length / 2).unwrap()));
            self.attempt(&file, Damage::Delete);
        }
        for _ in 0..flips {
            let file = self.files[dice.below(self.files.len() as u64) as usize].clone();
            let bytes = std::fs::read(self.undamaged.join(&file)).unwrap();
            if let Some(at) = pick_offset(&bytes, dice) {
                self.attempt(&file, Damage::Flip(at, 1 << dice.below(8)));
            }
        }
        assert!(self.reported > 0, "no damage was ever reported");
        assert_eq!(self.failures, 0, "every failure is shown above");
    }

    /// Runs a check and counts a failure instead of panicking, so that one run shows all failures.
    fn attempt(&mut self, file: &Path, damage: Damage) {
        let attempt = std::panic::AssertUnwindSafe(|| self.check(file, damage));
        self.failures += usize::from(std::panic::catch_unwind(attempt).is_err());
    }

    fn check(&mut self, file: &Path, damage: Damage) {
        let data_dir = self.run.data_dir();
        std::fs::remove_dir_all(&data_dir).unwrap();
        copy_dir(&self.undamaged, &data_dir);
        apply(&data_dir.join(file), damage);
        let what = format!("{} {damage:?}", file.display());
        let export = run_with_timeout(self.run.command(&["export", "--format", "jsonl"]), &what);
        if export.status.success() {
            self.assert_exact(&lines(&export), &what);
            let resume = run_with_timeout(self.run.resume_command(&[]), &what);
            if resume.status.success() {
                assert!(comparable(&self.run) == self.after, "{what}: the export after resume differs");
                return;
            }
            self.assert_reported(file, &resume, &what);
        } else {
            self.assert_reported(file, &export, &what);
        }
        run_successfully(self.run.command(&["rebuild"]), &what);
        run_successfully(self.run.resume_command(&[]), &what);
        assert!(comparable(&self.run) == self.after, "{what}: the export after rebuild and resume differs");
    }

    /// Checks that the export has all entries, or all that were confirmed.
    fn assert_exact(&self, exported: &[String], what: &str) {
        let lacks_unconfirmed = exported.len() == self.confirmed
            && exported.iter().all(|line| self.before.binary_search(line).is_ok());
        assert!(exported == self.before || lacks_unconfirmed, "{what}: the export has changed");
    }

    /// Checks that the message names the remedy, and the file or the folder of the database that it belongs to.
    fn assert_reported(&mut self, file: &Path, output: &Output, what: &str) {
        let said = stderr(output);
        let place = if file.starts_with("queue") { Path::new("queue") } else { file };
        let place = self.run.data_dir().join(place);
        assert_eq!(output.status.code(), Some(1), "{what}: {said}");
        assert!(said.contains("crawl rebuild"), "{what}: {said}");
        let is_queue = said.contains(self.run.data_dir().join("queue").to_str().unwrap());
        let is_segment = said.contains(self.run.data_dir().join("segments").to_str().unwrap());
        // A loss in the queue may first appear as a segment that the queue does not know.
        let is_named =
            said.contains(place.to_str().unwrap()) || file.starts_with("queue") && (is_segment || is_queue);
        assert!(is_named, "{what}: {said}");
        assert!(!said.contains("panicked"), "{what}: {said}");
        self.reported += 1;
    }
}

/// The number of entries in the file `committed`, its third figure.
fn confirmed(data_dir: &Path) -> usize {
    let line = std::fs::read_to_string(data_dir.join("committed")).unwrap();
    line.split(' ').nth(2).unwrap().parse().unwrap()
}

/// Picks an offset to flip. Prefers bytes that are not zero, because the files of sled are mostly zeros.
fn pick_offset(bytes: &[u8], dice: &mut Dice) -> Option<usize> {
    let length = bytes.len() as u64;
    if length == 0 {
        return None;
    }
    let offsets = (0..32).map(|_| dice.below(length) as usize).collect::<Vec<_>>();
    offsets.iter().copied().find(|&at| bytes[at] != 0).or(offsets.first().copied())
}

fn apply(path: &Path, damage: Damage) {
    match damage {
        Damage::Delete => std::fs::remove_file(path).unwrap(),
        Damage::Truncate(bytes) => {
            std::fs::File::options().write(true).open(path).unwrap().set_len(bytes as u64).unwrap();
        }
        Damage::Flip(at, mask) => {
            let mut bytes = std::fs::read(path).unwrap();
            bytes[at] ^= mask;
            std::fs::write(path, bytes).unwrap();
        }
    }
}

/// Runs `command` and returns its output. Kills it and panics if it takes longer than `PATIENCE`.
fn run_with_timeout(mut command: Command, what: &str) -> Output {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (stdout, stderr) = (drain(child.stdout.take().unwrap()), drain(child.stderr.take().unwrap()));
    let give_up = Instant::now() + PATIENCE;
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if Instant::now() >= give_up {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("{what}: {command:?} did not end within {PATIENCE:?}");
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    Output { status, stdout: stdout.join().unwrap(), stderr: stderr.join().unwrap() }
}

/// Reads all of `from` on another thread.
fn drain(mut from: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes).unwrap();
        bytes
    })
}

fn run_successfully(command: Command, what: &str) {
    let output = run_with_timeout(command, what);
    assert!(output.status.success(), "{what}: {}", stderr(&output));
}

fn lines(export: &Output) -> Vec<String> {
    super::run::comparable_lines(&String::from_utf8_lossy(&export.stdout))
}

fn list_files(root: &Path, dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            list_files(root, &entry.path(), files);
        } else if entry.file_type().unwrap().is_file() {
            files.push(entry.path().strip_prefix(root).unwrap().to_owned());
        }
    }
}

fn copy_dir(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            copy_dir(&entry.path(), &to.join(entry.file_name()));
        } else if entry.file_type().unwrap().is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}
