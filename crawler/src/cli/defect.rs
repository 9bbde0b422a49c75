//! Shows panics and a hanging database to the user as one message without a backtrace.

use std::panic::PanicHookInfo;

use super::{exit_code, output};

/// Installs the panic hook and the watchdog of the database, for the whole process.
pub fn install_handlers() {
    std::panic::set_hook(Box::new(on_panic));
    storage::watch_for_stalls(|stalled| {
        output::note(&format!("error: {stalled}"));
        std::process::exit(exit_code::FAILURE.into());
    });
}

/// Prints a panic, unless it comes from the database. The database panics on damage, and that is reported as an error.
fn on_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    if storage::is_database_panic(panic.location()) {
        tracing::debug!(place, "the database panicked");
        return;
    }
    let text = panic.payload_as_str().unwrap_or_default();
    output::note(&format!("error: crawl has a bug at {place}: {text}"));
}
