//! Watches the CPU time of an input: it must not be far above linear in its length.

use std::time::Duration;

/// CPU time that every input may take, however short. Allocating the largest buffers is within it.
const TIME_FIXED: Duration = Duration::from_millis(50);
/// CPU time per byte. An ordinary document takes 10 ns a byte in the crawler, and some hundred times as much here, where it
/// is read several times and the code is instrumented.
const TIME_PER_BYTE: Duration = Duration::from_micros(10);
/// How often a slow input is measured. The shortest time counts, since others may disturb a measurement.
const MEASUREMENTS: usize = 3;

/// Runs `check`, which returns the number of bytes that it has processed. Panics if each time it takes too long for these.
pub fn in_linear_time(mut check: impl FnMut() -> u64) {
    let mut shortest = Duration::MAX;
    let mut allowed = Duration::ZERO;
    for _ in 0..MEASUREMENTS {
        let begun = thread_time();
        let bytes = check();
        shortest = shortest.min(thread_time().saturating_sub(begun));
        allowed = TIME_FIXED + TIME_PER_BYTE * u32::try_from(bytes).unwrap_or(u32::MAX);
        if shortest <= allowed {
            return;
        }
    }
    panic!("{shortest:?} of CPU time where {allowed:?} are allowed");
}

fn thread_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
