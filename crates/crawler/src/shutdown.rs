//! SIGINT and SIGTERM: the first asks for an orderly end, the second ends at once.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::cli::exit_code::INTERRUPTED;

/// Watches for signals; the token is cancelled by the first.
///
/// Whatever moment the second strikes, nothing is lost: what is not committed is asked again.
pub fn watch() -> std::io::Result<CancellationToken> {
    let asked = CancellationToken::new();
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let token = asked.clone();
    tokio::spawn(async move {
        either(&mut interrupt, &mut terminate).await;
        tracing::warn!("stopping: finishing what is in flight (once more to stop at once)");
        token.cancel();
        either(&mut interrupt, &mut terminate).await;
        std::process::exit(INTERRUPTED.into());
    });
    Ok(asked)
}

async fn either(interrupt: &mut Signal, terminate: &mut Signal) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
