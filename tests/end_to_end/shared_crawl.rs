//! A shared crawl: worker processes on loopback, with a real PostgreSQL server and a real S3 server.

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use fakesite::{Latency, ServeOptions, Server, Web, plain};
use s3server::{BUCKET, Proxy};
use serde_json::Value;

use super::run::{Run, comparable, comparable_lines, expect, start, stdout, wait_until};

/// Requests per second and host, and the resulting delay.
pub const RATE: &str = "2";
pub const DELAY: Duration = Duration::from_millis(500);
/// How much less than the delay may lie between the arrivals of two requests: the system may delay the first one more
/// than the second, especially because workers, servers and other tests share the cores.
const ARRIVAL_TOLERANCE: Duration = Duration::from_millis(150);

/// A password that must never be shown.
pub const PASSWORD: &str = "pa55w0rd-of-the-store";

/// A shared crawl: a web, a database, a bucket, and the flags for its workers.
pub struct SharedCrawl {
    pub run: Run,
    pub web: plain::Options,
    pub store: String,
    pub output: String,
    pub variables: Vec<(&'static str, String)>,
    pub proxy: Proxy,
}

impl SharedCrawl {
    /// A crawl in a database of the server that all tests share; `None` if a server is missing.
    pub fn of(web: plain::Options) -> Option<Self> {
        let store = pgserver::shared_url()?.replacen("postgres@", &format!("postgres:{PASSWORD}@"), 1);
        Self::on(web, store)
    }

    pub fn on(web: plain::Options, store: String) -> Option<Self> {
        let latency = Latency::between(Duration::from_millis(5), Duration::from_millis(25));
        let server = plain::web(web).serve(ServeOptions { latency, ..ServeOptions::default() }).unwrap();
        Some(Self { web, ..Self::serving(server, &plain::seeds(web), store)? })
    }

    /// A crawl of another web, in a database of the server that all tests share.
    pub fn of_web(web: Web, seeds: &str) -> Option<Self> {
        let server = web.serve(ServeOptions::default()).unwrap();
        Self::serving(server, seeds, pgserver::shared_url()?.to_owned())
    }

    fn serving(server: Server, seeds: &str, store: String) -> Option<Self> {
        static CRAWLS: AtomicU32 = AtomicU32::new(0);
        let s3 = s3server::shared()?;
        let proxy = s3.proxy().unwrap();
        let run = Run::on(server, &[]);
        let name = format!("crawl-{}-{}", std::process::id(), CRAWLS.fetch_add(1, Ordering::Relaxed));
        std::fs::write(run.path(&format!("{name}.txt")), seeds).unwrap();
        let variables = s3.variables(&proxy.endpoint()).into();
        let output = format!("s3://{BUCKET}/{name}");
        let web = plain::Options { hosts: 0, sitemaps: 0, entries: 0 };
        Some(Self { run, web, store, output, variables, proxy })
    }

    /// The name of the crawl, which is that of its seed file.
    pub fn name(&self) -> &str {
        self.output.rsplit('/').next().unwrap()
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = super::run::crawl_with(args);
        command.args(["--store", &self.store, "--output", &self.output]);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// A worker that sends its number `n` in a header.
    pub fn worker(&self, n: usize, args: &[&str]) -> Command {
        let mut command = self.command(args);
        command.args(["--connect-to", &format!("::{}", self.run.server.address())]);
        command.arg("--ca-cert").arg(self.run.path("ca.pem"));
        command.args(["--concurrency", "20", "--header", &format!("X-Worker: {n}")]);
        command
    }

    /// Worker 0, which starts the crawl.
    pub fn start_command(&self) -> Command {
        let mut command = self.worker(0, &[]);
        command.arg("--seeds").arg(self.run.path(&format!("{}.txt", self.name()))).args(["--rate", RATE]);
        command
    }

    pub fn work_command(&self, n: usize) -> Command {
        self.worker(n, &["work", "--crawl", self.name()])
    }

    /// Starts the crawl with `workers` workers; the others start once the first one has sent a request.
    pub fn start(&self, workers: usize) -> Workers {
        let mut children = Workers(vec![start(self.start_command())]);
        wait_until("the first worker has sent a request", || !self.run.server.log().is_empty());
        children.0.extend((1..workers).map(|n| start(self.work_command(n))));
        children
    }

    pub fn export(&self) -> Vec<String> {
        let args = ["export", "--format", "jsonl", "--crawl", self.name()];
        comparable_lines(&stdout(&expect(self.command(&args), 0)))
    }

    pub fn json(&self, command: &str) -> Value {
        let args = [command, "--format", "json", "--crawl", self.name()];
        serde_json::from_str(&stdout(&expect(self.command(&args), 0))).unwrap()
    }

    /// The export of a local crawl of the same web.
    pub fn expected(&self) -> Vec<String> {
        let server = plain::web(self.web).serve(ServeOptions::default()).unwrap();
        let seeds: Vec<String> = (0..self.web.hosts).map(plain::host_name).collect();
        let seeds: Vec<&str> = seeds.iter().map(String::as_str).collect();
        let run = Run::on(server, &seeds);
        run.crawl();
        comparable(&run)
    }

    /// Waits for all workers, which must end with success, and compares the export with that of a local crawl.
    pub fn check(&self, children: Workers) {
        self.check_against(children, &self.expected());
    }

    /// The same, with a known expected export.
    pub fn check_against(&self, mut children: Workers, expected: &[String]) {
        for child in &mut children.0 {
            assert_eq!(child.wait().unwrap().code(), Some(0));
        }
        let export = self.export();
        let report = self.json("report");
        let hosts = report["hosts"].as_object().unwrap().iter();
        let incomplete: Vec<_> = hosts.filter(|(_, host)| host["complete"] != true).collect();
        assert_eq!(export.len(), expected.len(), "{incomplete:#?}");
        assert!(export == expected, "the export differs from that of a local crawl");
        assert_eq!(self.json("status")["state"], "complete");
    }

    /// Makes the session of a worker expire now, instead of a minute after its last renewal.
    pub fn expire_session(&self, worker: &Child) {
        let expired = self
            .sessions_of(worker, "UPDATE session SET expires_at = now() - interval '1 second' WHERE true");
        assert_eq!(expired, 1, "the worker has one session");
    }

    /// Whether another worker has ended the session of a worker.
    pub fn has_ended_session(&self, worker: &Child) -> bool {
        self.sessions_of(worker, "SELECT FROM session WHERE expires_at IS NULL") == 1
    }

    /// Executes `statement` on the sessions of a worker, which are named "host:pid". Returns their number.
    pub fn sessions_of(&self, worker: &Child, statement: &str) -> u64 {
        let statement =
            format!("{statement} AND worker LIKE $1 AND crawl = (SELECT id FROM crawl WHERE name = $2)");
        tokio::runtime::Runtime::new().unwrap().block_on(async {
            let (client, connection) =
                tokio_postgres::connect(&self.store, tokio_postgres::NoTls).await.unwrap();
            tokio::spawn(connection);
            client.execute(&statement, &[&format!("%:{}", worker.id()), &self.name()]).await.unwrap()
        })
    }

    /// Number of requests per worker.
    pub fn requests_by_worker(&self) -> BTreeMap<String, usize> {
        let mut requests = BTreeMap::new();
        for request in self.run.server.log() {
            *requests.entry(request.header("x-worker").unwrap().to_owned()).or_default() += 1;
        }
        requests
    }
}

/// Worker processes, killed on drop so that they do not outlive a failed test.
pub struct Workers(pub Vec<Child>);

impl Drop for Workers {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // Usually it has ended already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Checks at the server that the starts of any two requests to a host were at least its delay apart. The first
/// request of a connection starts with the connection.
pub fn check_pace(run: &Run) {
    let opened: BTreeMap<u64, u64> =
        run.server.connections().iter().map(|connection| (connection.id, connection.at_us)).collect();
    let (mut used, mut last) = (BTreeSet::new(), BTreeMap::new());
    for request in run.server.log() {
        let is_first = used.insert(request.connection_id);
        let began_us = if is_first { opened[&request.connection_id] } else { request.at_us };
        let this = (began_us, request.path.clone(), request.header("x-worker").map(str::to_owned));
        if let Some(before) = last.insert(request.host.clone(), this.clone()) {
            let interval = Duration::from_micros(began_us.saturating_sub(before.0));
            assert!(interval + ARRIVAL_TOLERANCE >= DELAY, "{}: {before:?}, then {this:?}", request.host);
        }
    }
}
