//! No message makes a running crawl or its reader panic, and what can be read comes back when it is sent.

#![no_main]

mod watch;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    watch::in_linear_time(|| {
        storage::fuzzing::live_message(bytes);
        bytes.len() as u64
    });
});
