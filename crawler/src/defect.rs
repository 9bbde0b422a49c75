//! What a user sees of panics and of a database that hangs: a message, no backtrace.

use std::panic::PanicHookInfo;

use crate::cli::{exit_code, output};

/// Sets both up for the whole process.
pub fn watch() {
    std::panic::set_hook(Box::new(on_panic));
    storage::watch_for_stalls(|stalled| {
        output::note(&format!("error: {stalled}"));
        std::process::exit(exit_code::FAILURE.into());
    });
}

/// A panic of the database on damage is caught, and told as an error by whoever called it; those of its own threads end in
/// such an error or a stall.
fn on_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    if storage::is_guarded() || place.contains("sled-") {
        tracing::debug!(place, "the database panicked");
        return;
    }
    let text = panic.payload_as_str().unwrap_or_default();
    output::note(&format!("error: a defect of crawl itself at {place}: {text}"));
}
