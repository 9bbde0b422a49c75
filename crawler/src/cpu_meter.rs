//! Resource usage of the process: CPU time, memory, and how busy the machine was.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use frontier::work_queue::Usage;
use rustix::time::{ClockId, clock_gettime};

/// Ticks per second in /proc/stat. The kernel's interface fixes this number on every common architecture.
const TICKS_PER_S: u64 = 100;

/// Whether stages and slices are timed. True in every build except that of `bench measuring`.
pub const IS_MEASURED: bool = !cfg!(feature = "unmeasured");

/// CPU time of the calling thread.
pub fn thread_cpu() -> Duration {
    if IS_MEASURED { span(ClockId::ThreadCPUTime) } else { Duration::ZERO }
}

/// CPU time of the process, user and system.
pub fn process_cpu() -> Duration {
    span(ClockId::ProcessCPUTime)
}

fn span(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Counts CPU time by kind of work. Any thread may add to it.
#[derive(Debug)]
pub struct CpuMeter {
    inflate_ns: AtomicU64,
    parse_ns: AtomicU64,
    record_ns: AtomicU64,
    process_at_start: Duration,
    /// Numbers of the CPU cores that the process may use.
    cores: Vec<u32>,
    machine_busy_at_start_us: u64,
    is_off: bool,
}

/// A kind of work that takes CPU time.
#[derive(Clone, Copy, Debug)]
pub enum CpuWork {
    /// Inflating bodies.
    Inflate,
    /// Parsing documents.
    Parse,
    /// Making outcomes durable.
    Record,
}

impl CpuMeter {
    /// Creates a meter that counts from now.
    pub fn start() -> Self {
        let cores = own_cores().unwrap_or_default();
        Self {
            inflate_ns: AtomicU64::new(0),
            parse_ns: AtomicU64::new(0),
            record_ns: AtomicU64::new(0),
            process_at_start: process_cpu(),
            machine_busy_at_start_us: machine_busy_us(&cores).unwrap_or(0),
            cores,
            is_off: false,
        }
    }

    /// Creates a meter that shows no usage, for simulations: their CPU time says nothing about a crawl, and reading it ten
    /// times in a virtual second takes long.
    pub fn off() -> Self {
        Self {
            inflate_ns: AtomicU64::new(0),
            parse_ns: AtomicU64::new(0),
            record_ns: AtomicU64::new(0),
            process_at_start: Duration::ZERO,
            machine_busy_at_start_us: 0,
            cores: Vec::new(),
            is_off: true,
        }
    }

    /// Adds CPU time that was spent on `work`.
    pub fn add(&self, work: CpuWork, cpu: Duration) {
        let counter = match work {
            CpuWork::Inflate => &self.inflate_ns,
            CpuWork::Parse => &self.parse_ns,
            CpuWork::Record => &self.record_ns,
        };
        // Relaxed, because no other memory access depends on the counters.
        counter.fetch_add(u64::try_from(cpu.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// The usage since the meter was started.
    pub fn read(&self) -> Usage {
        if self.is_off {
            return Usage::default();
        }
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Usage {
            process_us: micros(process_cpu().saturating_sub(self.process_at_start)),
            inflate_us: self.inflate_ns.load(Ordering::Relaxed) / 1_000,
            parse_us: self.parse_ns.load(Ordering::Relaxed) / 1_000,
            record_us: self.record_ns.load(Ordering::Relaxed) / 1_000,
            machine_busy_us: machine_busy_us(&self.cores)
                .unwrap_or(0)
                .saturating_sub(self.machine_busy_at_start_us),
            cores: u32::try_from(cores).unwrap_or(u32::MAX),
            peak_rss_bytes: peak_rss_bytes().unwrap_or(0),
        }
    }
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

/// The peak resident memory of the process. `None` if /proc does not contain it.
fn peak_rss_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kib * 1024)
}

/// Numbers of the CPU cores that the process may use. `None` if /proc does not contain them.
fn own_cores() -> Option<Vec<u32>> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
    let mut cores = Vec::new();
    for part in list.trim().split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        cores.extend(first.parse::<u32>().ok()?..=last.parse().ok()?);
    }
    Some(cores)
}

/// Time that `cores` were not idle since the machine started. `None` if /proc does not contain it.
///
/// Other cores do not count, because the process could not use them even if they were idle.
fn machine_busy_us(cores: &[u32]) -> Option<u64> {
    busy_us(&std::fs::read_to_string("/proc/stat").ok()?, cores)
}

fn busy_us(stat: &str, cores: &[u32]) -> Option<u64> {
    let mut sum_us = None;
    for line in stat.lines().map_while(|line| line.strip_prefix("cpu")) {
        // The first line is the sum of all cores and has no core number.
        let (core, ticks) = line.split_once(' ')?;
        if !core.parse().is_ok_and(|core| cores.contains(&core)) {
            continue;
        }
        let ticks: Vec<u64> = ticks.split_ascii_whitespace().map_while(|tick| tick.parse().ok()).collect();
        // user nice system idle iowait irq softirq steal; guest time is part of user.
        let [user, nice, system, _idle, _iowait, irq, softirq, steal, ..] = ticks.as_slice() else {
            return None;
        };
        let busy_us = (user + nice + system + irq + softirq + steal) * (1_000_000 / TICKS_PER_S);
        sum_us = Some(sum_us.unwrap_or(0) + busy_us);
    }
    sum_us
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
        meter.add(CpuWork::Parse, thread_cpu() - before);
        let usage = meter.read();
        assert!(usage.parse_us >= 30_000 && usage.process_us >= 30_000, "{usage:?}");
        assert!(usage.peak_rss_bytes > 0 && usage.cores > 0, "{usage:?}");
    }

    #[test]
    fn only_cores_that_are_ours_count_as_busy() {
        let stat =
            "cpu  11 2 3 400 5 0 1 0 9 0\ncpu0 10 1 1 100 5 0 1 0 0 0\ncpu1 1 1 2 300 0 0 0 7 0 0\nintr 5\n";
        assert_eq!(busy_us(stat, &[0]), Some(130_000));
        assert_eq!(busy_us(stat, &[0, 1]), Some(240_000));
        assert_eq!(busy_us(stat, &[5]), None);
        assert!(!own_cores().unwrap().is_empty());
    }
}
