//! SIGINT and SIGTERM: the first asks for an orderly end, the second ends at once.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::cli::exit_code::INTERRUPTED;

/// Watches for signals from now on, as long as the process lives; the token is cancelled by the first.
///
/// Whatever moment the second strikes, nothing is lost: what is not committed is asked again. The watch has a thread of
/// its own, so that it holds while the data directory is opened and while the report is made, too.
pub fn watch() -> io::Result<CancellationToken> {
    let asked = CancellationToken::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let (mut interrupt, mut terminate) = {
        let _inside = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    let token = asked.clone();
    let watching = async move {
        either(&mut interrupt, &mut terminate).await;
        tracing::warn!("stopping: finishing what is in flight (once more to stop at once)");
        token.cancel();
        either(&mut interrupt, &mut terminate).await;
        std::process::exit(INTERRUPTED.into());
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || runtime.block_on(watching))?;
    Ok(asked)
}

async fn either(interrupt: &mut Signal, terminate: &mut Signal) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
