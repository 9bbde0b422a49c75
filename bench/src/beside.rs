//! What reading beside a crawl costs the crawl: its CPU time with somebody who asks for status and export in a loop, and without.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::child::{Fakesite, Used, measure, program};

/// A web that keeps a crawl busy for some seconds: 2,100 requests, a million entries.
const WEB: [&str; 9] =
    ["plain", "--hosts", "100", "--sitemaps", "20", "--entries", "500", "--latency-ms", "20-60"];

/// What the reader does, given the program and the data directory: a look at each, and half a second's rest.
const READER: &str =
    r#"while :; do "$0" status -d "$1"; "$0" export -d "$1"; "$0" report -d "$1"; sleep 0.5; done"#;

/// How often.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Rounds of each, in turns.
    #[arg(long, default_value_t = 5)]
    pub rounds: usize,
}

impl Default for Args {
    fn default() -> Self {
        Self { rounds: 5 }
    }
}

/// Crawls alone and beside a reader in turns.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let work = tempfile::tempdir_in("target")?;
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    for _ in 0..args.rounds {
        alone.push(crawl(work.path(), false)?);
        beside.push(crawl(work.path(), true)?);
    }
    println!("a crawl of a million entries alone, and beside status, export and report in a loop");
    for (alone, beside) in alone.iter().zip(&beside) {
        println!(
            "  alone {:.2} s CPU, {:.2} s wall; beside {:.2} s CPU, {:.2} s wall",
            alone.cpu.as_secs_f64(),
            alone.wall.as_secs_f64(),
            beside.cpu.as_secs_f64(),
            beside.wall.as_secs_f64()
        );
    }
    let lowest = |used: &[Used]| used.iter().map(|used| used.cpu.as_secs_f64()).fold(f64::INFINITY, f64::min);
    println!(
        "  CPU beside against alone: lowest {:.3}, median {:.3}",
        lowest(&beside) / lowest(&alone),
        median(&beside) / median(&alone)
    );
    Ok(())
}

fn median(used: &[Used]) -> f64 {
    let mut cpu: Vec<f64> = used.iter().map(|used| used.cpu.as_secs_f64()).collect();
    cpu.sort_by(f64::total_cmp);
    cpu.get(cpu.len() / 2).copied().unwrap_or(f64::NAN)
}

fn crawl(work: &Path, is_read: bool) -> anyhow::Result<Used> {
    let data_dir = work.join("data");
    if data_dir.exists() {
        std::fs::remove_dir_all(&data_dir)?;
    }
    let (seeds, ca, log) = (work.join("seeds.txt"), work.join("ca.pem"), work.join("log.jsonl"));
    let files = ["--seeds-out".as_ref(), seeds.as_os_str(), "--ca-out".as_ref(), ca.as_os_str()];
    let files = files.map(|file| file.to_string_lossy());
    let site_args: Vec<&str> = WEB.into_iter().chain(files.iter().map(AsRef::as_ref)).collect();
    let site = Fakesite::start(&site_args, &log, work)?;
    let mut command = Command::new(program("crawl")?);
    command.arg("--seeds").arg(&seeds).arg("--data-dir").arg(&data_dir).arg("--ca-cert").arg(&ca);
    command.args(["--rate", "0", "--host-concurrency", "10", "--concurrency", "16", "--quiet"]);
    command.arg("--connect-to").arg(format!("::127.0.0.1:{}", site.port));
    let reader = if is_read { Some(Reader::start(&data_dir)?) } else { None };
    // The reader's own CPU time is not in it: that is counted once it was waited for.
    let used = measure(&mut command)?;
    drop(reader);
    site.stop()?;
    Ok(used)
}

/// Reads a crawl in a loop, until dropped.
struct Reader(Child);

impl Reader {
    fn start(data_dir: &Path) -> anyhow::Result<Self> {
        use std::os::unix::process::CommandExt;
        let mut command = Command::new("sh");
        command.args(["-c", READER]).arg(program("crawl")?).arg(data_dir).process_group(0);
        Ok(Self(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?))
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // Already gone is no failure.
        let _ = killpg(Pid::from_raw(self.0.id() as i32), Signal::SIGKILL);
        let _ = self.0.wait();
    }
}
