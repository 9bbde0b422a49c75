//! CPU time of a crawl with and without a reader that runs status, export and report in a loop at the same time.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::child::{Fakesite, Used, measure, program};

/// A web that keeps a crawl busy for a few seconds: 2,100 requests and a million entries.
const WEB: [&str; 9] =
    ["plain", "--hosts", "100", "--sitemaps", "20", "--entries", "500", "--latency-ms", "20-60"];

/// Shell script of the reader, called with the program and the data directory. It pauses for half a second per round.
const READER: &str =
    r#"while :; do "$0" status -d "$1"; "$0" export -d "$1"; "$0" report -d "$1"; sleep 0.5; done"#;

/// The number of rounds.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Number of crawls with and without a reader, alternating.
    #[arg(long, default_value_t = 5)]
    pub rounds: usize,
}

impl Default for Args {
    fn default() -> Self {
        Self { rounds: 5 }
    }
}

/// Crawls without and with a reader, alternating.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let work = tempfile::tempdir_in("target")?;
    let (mut alone, mut with_reader) = (Vec::new(), Vec::new());
    for _ in 0..args.rounds {
        alone.push(crawl(work.path(), false)?);
        with_reader.push(crawl(work.path(), true)?);
    }
    println!("a crawl of a million entries alone, and with status, export and report in a loop");
    for (alone, with_reader) in alone.iter().zip(&with_reader) {
        println!(
            "  alone {:.2} s CPU, {:.2} s wall; with a reader {:.2} s CPU, {:.2} s wall",
            alone.cpu.as_secs_f64(),
            alone.wall.as_secs_f64(),
            with_reader.cpu.as_secs_f64(),
            with_reader.wall.as_secs_f64()
        );
    }
    let lowest = |used: &[Used]| used.iter().map(|used| used.cpu.as_secs_f64()).fold(f64::INFINITY, f64::min);
    println!(
        "  CPU with a reader against alone: lowest {:.3}, median {:.3}",
        lowest(&with_reader) / lowest(&alone),
        median(&with_reader) / median(&alone)
    );
    Ok(())
}

fn median(used: &[Used]) -> f64 {
    let mut cpu: Vec<f64> = used.iter().map(|used| used.cpu.as_secs_f64()).collect();
    cpu.sort_by(f64::total_cmp);
    cpu.get(cpu.len() / 2).copied().unwrap_or(f64::NAN)
}

fn crawl(work: &Path, has_reader: bool) -> anyhow::Result<Used> {
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
    let reader = if has_reader { Some(Reader::start(&data_dir)?) } else { None };
    // This does not include the CPU time of the reader: it has not been waited for yet.
    let used = measure(&mut command)?;
    drop(reader);
    site.stop()?;
    Ok(used)
}

/// A process that reads a crawl in a loop until dropped.
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
        // It may have ended already.
        let _ = killpg(Pid::from_raw(self.0.id() as i32), Signal::SIGKILL);
        let _ = self.0.wait();
    }
}
