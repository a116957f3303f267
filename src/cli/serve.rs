//! `carnet serve`: the gRPC server, the jobs and the HTTP side in one process.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::app::{App, Running};
use crate::clock::Clock;
use crate::config::Settings;

/// Serves what the settings ask for until the process is told to stop.
///
/// # Errors
/// If it cannot be served, or a part of the server ended by itself.
pub async fn run(settings: Settings) -> anyhow::Result<()> {
    let running = App::build(settings, Clock::System).await?.bind().await?;
    until_told(running).await
}

/// Serves until the process is told to stop (SIGTERM, SIGINT), then ends within a bound. A second signal
/// ends it at once.
pub(super) async fn until_told(running: Running) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (told, heard) = tokio::sync::oneshot::channel();
    let serving = running.serve_until(async move {
        either(&mut terminate, &mut interrupt).await;
        tracing::info!("told to stop");
        let _gone = told.send((terminate, interrupt));
    });
    let impatience = async move {
        if let Ok((mut terminate, mut interrupt)) = heard.await {
            either(&mut terminate, &mut interrupt).await;
        } else {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        ended = serving => ended,
        () = impatience => anyhow::bail!("stopped at once, as a second signal asked for"),
    }
}

async fn either(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
