//! No stored settings make a crawl panic, whether it resumes or a worker takes them over, and what is taken over is within
//! the bounds of the flags.

#![no_main]

mod watch;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    watch::in_linear_time(|| {
        crawler::fuzzing::settings(&text);
        text.len() as u64
    });
});
