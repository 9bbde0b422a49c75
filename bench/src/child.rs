//! Child processes and what they used.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// What a child that ended had used.
#[derive(Clone, Copy, Debug)]
pub struct Used {
    /// CPU time, user and system.
    pub cpu: Duration,
    /// From start to end.
    pub wall: Duration,
}

/// Runs `command` to its end.
pub fn measure(command: &mut Command) -> anyhow::Result<Used> {
    let (before, started) = (children_cpu()?, Instant::now());
    let status = command.status().with_context(|| format!("failed to run {command:?}"))?;
    let (wall, cpu) = (started.elapsed(), children_cpu()? - before);
    ensure!(status.success(), "{command:?} ended with {status}");
    Ok(Used { cpu, wall })
}

/// CPU time of all children that ended and were waited for.
fn children_cpu() -> anyhow::Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let times = [usage.user_time(), usage.system_time()];
    Ok(times
        .iter()
        .map(|time| Duration::new(time.tv_sec().max(0) as u64, time.tv_usec().max(0) as u32 * 1_000))
        .sum())
}

/// A program that stands beside this one in the build directory.
pub fn program(name: &str) -> anyhow::Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name(name);
    ensure!(path.exists(), "{} is missing: build it with `cargo build --release -p {name}`", path.display());
    Ok(path)
}

/// A fakesite in a process of its own.
pub struct Fakesite {
    child: Child,
    /// Where it listens on 127.0.0.1.
    pub port: u16,
}

impl Fakesite {
    /// Starts it with `args` and waits until it is ready; its log goes to `log` when it is stopped.
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
        // It builds its pages first, which takes seconds.
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

    /// Stops it; its log is written when this returns.
    pub fn stop(mut self) -> anyhow::Result<()> {
        kill(Pid::from_raw(self.child.id() as i32), Signal::SIGTERM)?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Fakesite {
    fn drop(&mut self) {
        // Already stopped, or a bench failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
