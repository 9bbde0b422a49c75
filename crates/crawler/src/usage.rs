//! What the process used up: CPU time of its clocks, memory, and how busy the machine was.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use frontier::work_queue::Usage;
use rustix::time::{ClockId, clock_gettime};

/// Ticks per second in /proc/stat, fixed by the kernel's interface on every common architecture.
const TICKS_PER_S: u64 = 100;

/// CPU time of the calling thread.
pub fn thread_cpu() -> Duration {
    span(ClockId::ThreadCPUTime)
}

/// CPU time of the process, user and system.
pub fn process_cpu() -> Duration {
    span(ClockId::ProcessCPUTime)
}

fn span(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Counts CPU time by what it was spent on, from any thread.
#[derive(Debug)]
pub struct CpuMeter {
    inflate_us: AtomicU64,
    parse_us: AtomicU64,
    record_us: AtomicU64,
    process_at_start: Duration,
    machine_busy_at_start_us: u64,
}

/// What CPU time was spent on.
#[derive(Clone, Copy, Debug)]
pub enum Work {
    /// Inflating bodies.
    Inflate,
    /// Reading documents.
    Parse,
    /// Making outcomes durable.
    Record,
}

impl CpuMeter {
    /// A meter that counts from now.
    pub fn start() -> Self {
        Self {
            inflate_us: AtomicU64::new(0),
            parse_us: AtomicU64::new(0),
            record_us: AtomicU64::new(0),
            process_at_start: process_cpu(),
            machine_busy_at_start_us: machine_busy_us().unwrap_or(0),
        }
    }

    /// Adds CPU time spent on `work`.
    pub fn add(&self, work: Work, cpu: Duration) {
        let counter = match work {
            Work::Inflate => &self.inflate_us,
            Work::Parse => &self.parse_us,
            Work::Record => &self.record_us,
        };
        // Plain counters that order nothing else.
        counter.fetch_add(micros(cpu), Ordering::Relaxed);
    }

    /// What was used since the meter was started.
    pub fn read(&self) -> Usage {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Usage {
            process_us: micros(process_cpu().saturating_sub(self.process_at_start)),
            inflate_us: self.inflate_us.load(Ordering::Relaxed),
            parse_us: self.parse_us.load(Ordering::Relaxed),
            record_us: self.record_us.load(Ordering::Relaxed),
            machine_busy_us: machine_busy_us().unwrap_or(0).saturating_sub(self.machine_busy_at_start_us),
            cores: u32::try_from(cores).unwrap_or(u32::MAX),
            peak_rss_bytes: peak_rss_bytes().unwrap_or(0),
        }
    }
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

/// The most memory the process ever had resident; `None` where /proc does not tell.
fn peak_rss_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kib * 1024)
}

/// CPU time of all cores that was not idle since the machine started; `None` where /proc does not tell.
fn machine_busy_us() -> Option<u64> {
    let stat = std::fs::read_to_string("/proc/stat").ok()?;
    let line = stat.lines().next()?.strip_prefix("cpu ")?;
    let ticks: Vec<u64> = line.split_ascii_whitespace().map_while(|tick| tick.parse().ok()).collect();
    // user nice system idle iowait irq softirq steal; guest time is part of user.
    let [user, nice, system, _idle, _iowait, irq, softirq, steal, ..] = ticks.as_slice() else { return None };
    Some((user + nice + system + irq + softirq + steal) * (1_000_000 / TICKS_PER_S))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_done_shows_on_every_clock() {
        let meter = CpuMeter::start();
        let before = thread_cpu();
        let mut sum = 0u64;
        while thread_cpu() - before < Duration::from_millis(30) {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        meter.add(Work::Parse, thread_cpu() - before);
        let usage = meter.read();
        assert!(usage.parse_us >= 30_000 && usage.process_us >= 30_000, "{usage:?}");
        assert!(usage.peak_rss_bytes > 0 && usage.cores > 0, "{usage:?}");
    }
}
