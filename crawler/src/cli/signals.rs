//! SIGINT and SIGTERM: the first one stops the crawl in an orderly way, the second one ends the process immediately.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::exit_code::INTERRUPTED;

/// Handles signals from now on, as long as the process runs. The first signal cancels the returned token.
///
/// The second signal may come at any time without loss: what is not committed is fetched again. Signals are handled in a
/// separate thread, so that they also work while the data directory is opened and while the report is made.
pub fn watch() -> io::Result<CancellationToken> {
    let shutdown = CancellationToken::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let (mut interrupt, mut terminate) = {
        let _inside = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    let token = shutdown.clone();
    let watching = async move {
        either(&mut interrupt, &mut terminate).await;
        tracing::warn!("stopping after the requests in flight (send the signal again to stop immediately)");
        token.cancel();
        either(&mut interrupt, &mut terminate).await;
        std::process::exit(INTERRUPTED.into());
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || runtime.block_on(watching))?;
    Ok(shutdown)
}

async fn either(interrupt: &mut Signal, terminate: &mut Signal) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
