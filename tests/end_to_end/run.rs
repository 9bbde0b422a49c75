//! Runs the real `crawl` in a directory of its own.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use fakesite::{Server, Web};
use serde_json::Value;
use tempfile::TempDir;

/// A web, a data dir, and the flags that bring the two together.
pub struct Run {
    pub server: Server,
    dir: TempDir,
    target: String,
    seeds: Vec<String>,
    flags: Vec<String>,
}

impl Run {
    /// `web` served without latency, to be crawled from `seeds` at no particular pace.
    pub fn of(web: Web, seeds: &[&str]) -> Self {
        Self::on(web.serve(Default::default()).unwrap(), seeds)
    }

    /// A crawl of what `server` serves, in a new data dir.
    pub fn on(server: Server, seeds: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("ca.pem"), server.ca_pem()).unwrap();
        let seeds = seeds.iter().map(|&seed| seed.to_owned()).collect();
        let target = server.address().to_string();
        Self { server, dir, target, seeds, flags: Vec::new() }.flags(&["--rate", "0"])
    }

    /// Connects to `target`, a name or address and a port, instead of to the server itself.
    pub fn through(mut self, target: &str) -> Self {
        target.clone_into(&mut self.target);
        self
    }

    /// Further flags; later ones win over nothing, so give each once.
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

    /// Adds all flags, and those that lead to the server.
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

    /// Crawls to the end; everything but exit code 0 fails the test.
    pub fn crawl(&self) -> Output {
        expect(self.crawl_command(), 0)
    }

    /// The entries as `crawl export` gives them, one JSON value each.
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

    /// All requests with their stages, in the order of their commits.
    pub fn requests(&self) -> Vec<frontier::FetchRecord> {
        storage::CrawlReader::open(&self.data_dir()).unwrap().fetches().map(Result::unwrap).collect()
    }

    /// How often each URL was asked for, robots.txt apart.
    pub fn asked(&self) -> std::collections::BTreeMap<String, usize> {
        let mut asked = std::collections::BTreeMap::new();
        for request in self.server.log().iter().filter(|request| request.path != "/robots.txt") {
            *asked.entry(request.url()).or_default() += 1;
        }
        asked
    }
}

/// Held by tests that measure time, so that they take turns and do not measure each other.
pub fn turn_to_measure() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    // A test that failed leaves nothing behind that the next one could stumble over.
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs `command` to its end and checks its exit code.
pub fn expect(mut command: Command, code: i32) -> Output {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{command:?}\n{said}");
    output
}

/// `crawl` with `args` alone.
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

/// Starts `command` and leaves it running, its output unread.
pub fn start(mut command: Command) -> Child {
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// The same, with what it says in a file.
pub fn start_saying(mut command: Command, path: &Path) -> Child {
    command.stdout(Stdio::null()).stderr(std::fs::File::create(path).unwrap()).spawn().unwrap()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A urlset of these locs.
pub fn urlset(locs: &[&str]) -> String {
    let urls: String = locs.iter().map(|loc| format!("<url><loc>{loc}</loc></url>")).collect();
    format!("<urlset xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\">{urls}</urlset>")
}

/// A sitemap index of these locs.
pub fn index(locs: &[&str]) -> String {
    let sitemaps: String = locs.iter().map(|loc| format!("<sitemap><loc>{loc}</loc></sitemap>")).collect();
    format!("<sitemapindex xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\">{sitemaps}</sitemapindex>")
}

/// The export without what may differ: the order of documents and the moment they were fetched.
pub fn comparable(run: &Run) -> Vec<String> {
    comparable_lines(&run.export("jsonl"))
}

/// The same of what was exported as jsonl.
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

pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let give_up = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while !holds() {
        assert!(std::time::Instant::now() < give_up, "{what}: not within 30 s");
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
}

/// Numbers that are the same in every run.
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}
