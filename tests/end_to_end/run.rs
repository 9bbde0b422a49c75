//! Runs the real `crawl` program in a temporary directory.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use fakesite::{Server, Web};
use serde_json::Value;
use tempfile::TempDir;

/// A web server, a data dir, and the flags for a crawl.
pub struct Run {
    pub server: Server,
    dir: TempDir,
    target: String,
    seeds: Vec<String>,
    flags: Vec<String>,
}

impl Run {
    /// A crawl of `web` from `seeds`, without latency and without a rate limit.
    pub fn of(web: Web, seeds: &[&str]) -> Self {
        Self::on(web.serve(Default::default()).unwrap(), seeds)
    }

    /// A crawl of `server` from `seeds` without a rate limit, in a new data dir.
    pub fn on(server: Server, seeds: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("ca.pem"), server.ca_pem()).unwrap();
        let seeds = seeds.iter().map(|&seed| seed.to_owned()).collect();
        let target = server.address().to_string();
        Self { server, dir, target, seeds, flags: Vec::new() }.flags(&["--rate", "0"])
    }

    /// Sends connections to `target` (name or address, and port) instead of the server.
    pub fn through(mut self, target: &str) -> Self {
        target.clone_into(&mut self.target);
        self
    }

    /// Adds pairs of a flag and its value. A flag that was set before is replaced.
    pub fn flags(mut self, flags: &[&str]) -> Self {
        for pair in flags.chunks(2) {
            if let Some(at) = self.flags.iter().position(|flag| flag == pair[0]) {
                self.flags.drain(at..at + 2);
            }
            self.flags.extend(pair.iter().map(|&flag| flag.to_owned()));
        }
        self
    }

    pub fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// `crawl --seed …` with all flags, not started yet.
    pub fn crawl_command(&self) -> Command {
        let mut command = self.command(&[]);
        for seed in &self.seeds {
            command.args(["--seed", seed]);
        }
        self.add_flags(&mut command);
        command
    }

    /// `crawl resume` with all flags, not started yet.
    pub fn resume_command(&self, flags: &[&str]) -> Command {
        let mut command = self.command(&["resume"]);
        self.add_flags(&mut command);
        command.args(flags);
        command
    }

    /// Adds all flags, including those that connect the crawl to the server.
    pub fn add_flags(&self, command: &mut Command) {
        command.arg("--connect-to").arg(format!("::{}", self.target));
        command.arg("--ca-cert").arg(self.path("ca.pem")).args(&self.flags);
    }

    /// `crawl` with `args` and the data dir, not started yet.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_crawl"));
        command.args(args).arg("--data-dir").arg(self.data_dir());
        command.env_remove("RUST_LOG").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Crawls to the end. Any exit code other than 0 fails the test.
    pub fn crawl(&self) -> Output {
        expect(self.crawl_command(), 0)
    }

    /// The entries of `crawl export`, one JSON value each.
    pub fn entries(&self) -> Vec<Value> {
        self.export("jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    pub fn locs(&self) -> Vec<String> {
        self.export("txt").lines().map(str::to_owned).collect()
    }

    pub fn export(&self, format: &str) -> String {
        String::from_utf8(expect(self.command(&["export", "--format", format]), 0).stdout).unwrap()
    }

    pub fn report(&self) -> Value {
        serde_json::from_slice(&expect(self.command(&["report", "--format", "json"]), 0).stdout).unwrap()
    }

    /// All fetch records, in the order of their commits.
    pub fn requests(&self) -> Vec<frontier::FetchRecord> {
        storage::CrawlReader::open(&self.data_dir()).unwrap().fetches().map(Result::unwrap).collect()
    }

    /// Number of requests per URL, without robots.txt.
    pub fn request_counts(&self) -> std::collections::BTreeMap<String, usize> {
        let mut counts = std::collections::BTreeMap::new();
        for request in self.server.log().iter().filter(|request| request.path != "/robots.txt") {
            *counts.entry(request.url()).or_default() += 1;
        }
        counts
    }
}

/// Locks a mutex that tests hold while they measure time or memory, so that they do not disturb each other.
pub fn measurement_lock() -> MutexGuard<'static, ()> {
    static LOCK: Mutex<()> = Mutex::new(());
    // A failed test poisons the mutex, which protects no data.
    LOCK.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs `command` to its end and checks its exit code.
pub fn expect(mut command: Command, code: i32) -> Output {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{command:?}\n{said}");
    output
}

/// `crawl` with only `args`.
pub fn crawl_with<S: AsRef<OsStr>>(args: &[S]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crawl"));
    command
        .args(args)
        .env_remove("RUST_LOG")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Starts `command` in the background and discards its output.
pub fn start(mut command: Command) -> Child {
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Starts `command` in the background, with its stderr in a file.
pub fn start_with_stderr_in(mut command: Command, path: &Path) -> Child {
    command.stdout(Stdio::null()).stderr(std::fs::File::create(path).unwrap()).spawn().unwrap()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A URL set of these locs.
pub fn urlset(locs: &[&str]) -> String {
    let urls: String = locs.iter().map(|loc| format!("<url><loc>{loc}</loc></url>")).collect();
    format!("<urlset xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\">{urls}</urlset>")
}

/// A sitemap index of these locs.
pub fn index(locs: &[&str]) -> String {
    let sitemaps: String = locs.iter().map(|loc| format!("<sitemap><loc>{loc}</loc></sitemap>")).collect();
    format!("<sitemapindex xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\">{sitemaps}</sitemapindex>")
}

/// The lines of the export, sorted and without `fetched_at`, because both may differ between two crawls.
pub fn comparable(run: &Run) -> Vec<String> {
    comparable_lines(&run.export("jsonl"))
}

/// The same for a given JSONL export.
pub fn comparable_lines(jsonl: &str) -> Vec<String> {
    let without_moment = |line: &str| {
        let mut entry: Value = serde_json::from_str(line).unwrap();
        entry.as_object_mut().unwrap().remove("fetched_at");
        entry.to_string()
    };
    let mut lines: Vec<String> = jsonl.lines().map(without_moment).collect();
    lines.sort();
    lines
}

pub fn wait_until(what: &str, holds: impl FnMut() -> bool) {
    wait_up_to(std::time::Duration::from_secs(30), what, holds);
}

pub fn wait_up_to(limit: std::time::Duration, what: &str, mut holds: impl FnMut() -> bool) {
    let give_up = std::time::Instant::now() + limit;
    while !holds() {
        assert!(std::time::Instant::now() < give_up, "{what}: not within {limit:?}");
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
}

/// A pseudorandom number generator (xorshift) that gives the same numbers in every run.
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}
