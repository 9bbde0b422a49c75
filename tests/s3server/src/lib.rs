//! A private S3 server for a test on a free port of loopback, and a [`Proxy`] in front of it that injects faults.
//!
//! The server is moto, which can be installed from the Python package index. It rejects a conditional put of an
//! existing object, and checks keys and signatures. It keeps its objects in memory and ends with the process that
//! started it.

mod proxy;

use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

pub use proxy::{Fault, Proxy};

/// Environment variable: if it is `1`, a missing server is a failure. For machines that must run every test.
pub const REQUIRE_VARIABLE: &str = "CRAWL_REQUIRE_S3";

/// The bucket that exists from the start.
pub const BUCKET: &str = "crawls";

/// The server that all tests of a process share. Each test must use a different prefix. Prints a message and returns
/// `None` if the server is not installed.
///
/// # Panics
///
/// As [`Server::start`].
pub fn shared() -> Option<&'static Server> {
    static SHARED: OnceLock<Option<Server>> = OnceLock::new();
    SHARED.get_or_init(Server::start).as_ref()
}

/// A running server.
pub struct Server {
    process: Child,
    port: u16,
    key: String,
    secret: String,
}

impl Server {
    /// Starts a server. Prints a message and returns `None` if it is not installed.
    ///
    /// # Panics
    ///
    /// If it cannot be started, or is not installed and [`REQUIRE_VARIABLE`] is `1`.
    #[allow(clippy::panic, reason = "a panic fails the test")]
    pub fn start() -> Option<Self> {
        let python = python();
        let is_there = Command::new(&python).args(["-c", "import boto3, moto.server"]).output();
        if !is_there.is_ok_and(|output| output.status.success()) {
            let missing = "the S3 server for tests is not installed: run `make deps`";
            assert!(std::env::var(REQUIRE_VARIABLE).as_deref() != Ok("1"), "{missing}");
            // Not with `eprintln!`, because the test harness hides its output.
            let _ = writeln!(io::stderr(), "SKIPPED: {missing}");
            return None;
        }
        Some(Self::run(&python).unwrap_or_else(|error| panic!("failed to start the S3 server: {error}")))
    }

    fn run(python: &Path) -> io::Result<Self> {
        let mut process = Command::new(python)
            .args(["-c", include_str!("server.py")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut line = String::new();
        let output = process.stdout.take().ok_or_else(|| io::Error::other("no output"))?;
        BufReader::new(output).read_line(&mut line)?;
        let mut words = line.split_whitespace().map(str::to_owned);
        let mut word = || words.next().ok_or_else(|| io::Error::other("it ended immediately"));
        let port = word()?.parse().map_err(io::Error::other)?;
        Ok(Self { port, key: word()?, secret: word()?, process })
    }

    /// The URL it listens on.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Starts a proxy in front of it.
    ///
    /// # Errors
    ///
    /// If the proxy cannot listen.
    pub fn proxy(&self) -> io::Result<Proxy> {
        Proxy::start(self.port)
    }

    /// The environment variables that a process needs to use the server at `endpoint`, its own or that of a proxy.
    pub fn variables(&self, endpoint: &str) -> [(&'static str, String); 4] {
        [
            ("AWS_ENDPOINT_URL", endpoint.to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", self.key.clone()),
            ("AWS_SECRET_ACCESS_KEY", self.secret.clone()),
        ]
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The server ends when its input is closed.
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// The Python interpreter that `make deps` sets up, or else that of the system.
fn python() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/python/bin/python");
    if own.exists() { own } else { PathBuf::from("python3") }
}
