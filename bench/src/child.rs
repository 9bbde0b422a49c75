//! Child processes, and the CPU time and memory they use.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Interval at which the memory of a child is read.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// CPU time, wall time and memory of a child that has ended.
#[derive(Clone, Copy, Debug)]
pub struct Used {
    /// CPU time, user and system.
    pub cpu: Duration,
    /// From start to end.
    pub wall: Duration,
    /// Peak resident memory, last read a few milliseconds before its end.
    pub peak_rss_bytes: u64,
}

/// Runs `command` to its end.
pub fn measure(command: &mut Command) -> anyhow::Result<Used> {
    let (before, started) = (children_cpu()?, Instant::now());
    let mut child = command.spawn().with_context(|| format!("failed to run {command:?}"))?;
    let mut peak_rss_bytes = 0;
    let status = loop {
        // Read while it runs: the peak that the system reports for an ended child includes the memory of its parent.
        peak_rss_bytes = self::peak_rss_bytes(Some(child.id())).unwrap_or(0).max(peak_rss_bytes);
        if let Some(status) = child.try_wait()? {
            break status;
        }
        std::thread::sleep(POLL_INTERVAL);
    };
    let (wall, cpu) = (started.elapsed(), children_cpu()? - before);
    ensure!(status.success(), "{command:?} ended with {status}");
    Ok(Used { cpu, wall, peak_rss_bytes })
}

/// Peak resident memory of a process so far; `None` is this process.
pub fn peak_rss_bytes(pid: Option<u32>) -> anyhow::Result<u64> {
    let pid = pid.map_or_else(|| "self".to_owned(), |pid| pid.to_string());
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line =
        status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("the process has ended")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? << 10)
}

/// CPU time of all children that have ended and been waited for.
pub fn children_cpu() -> anyhow::Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let times = [usage.user_time(), usage.system_time()];
    Ok(times
        .iter()
        .map(|time| Duration::new(time.tv_sec().max(0) as u64, time.tv_usec().max(0) as u32 * 1_000))
        .sum())
}

/// Path of a program in the build directory, next to this one.
pub fn program(name: &str) -> anyhow::Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name(name);
    ensure!(path.exists(), "{} is missing: build it with `cargo build --release -p {name}`", path.display());
    Ok(path)
}

/// A fakesite process.
pub struct Fakesite {
    child: Child,
    /// The port it listens on, on 127.0.0.1.
    pub port: u16,
}

impl Fakesite {
    /// Starts it with `args` and waits until it is ready. It writes its log to `log` when it stops.
    pub fn start(args: &[&str], log: &Path, work: &Path) -> anyhow::Result<Self> {
        let port_file = work.join("port");
        let _ = std::fs::remove_file(&port_file);
        let mut child = Command::new(program("fakesite")?)
            .args(args)
            .arg("--port-out")
            .arg(&port_file)
            .arg("--log")
            .arg(log)
            .stdout(Stdio::null())
            .spawn()
            .context("failed to start fakesite")?;
        // It first builds its pages, which takes seconds.
        let give_up = Instant::now() + Duration::from_secs(120);
        loop {
            if let Ok(port) = std::fs::read_to_string(&port_file) {
                return Ok(Self { child, port: port.trim().parse()? });
            }
            if let Some(status) = child.try_wait()? {
                bail!("fakesite ended with {status}");
            }
            ensure!(Instant::now() < give_up, "fakesite was not ready within 120 s");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Stops it. Its log has been written when this returns.
    pub fn stop(mut self) -> anyhow::Result<()> {
        kill(Pid::from_raw(self.child.id() as i32), Signal::SIGTERM)?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Fakesite {
    fn drop(&mut self) {
        // It may have been stopped already; if a benchmark failed, it still runs.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
