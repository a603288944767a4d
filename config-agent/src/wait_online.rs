//! `wait-online`: lets units that are ordered after `network-online.target` wait for an address.

use anyhow::{Context, Result};
use genpack_spec::report::RunReport;

use crate::args::Options;
use crate::files::{Watch, wait_for};
use crate::{Paths, report};

/// Waits until the agent reports an address, or none can come, or the time is over. All of that is success: a device
/// without a network still has to start.
pub fn run(options: Options) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("starting the runtime")?;
    let paths = Paths::below(&options.root);
    let outcome = runtime.block_on(async { tokio::time::timeout(options.timeout, wait(&paths)).await });
    match outcome {
        Ok(Ok(())) => {}
        Ok(Err(error)) => println!("Not waiting for an address: {error:#}"),
        Err(_) => println!("No address within {:?}; going on without one.", options.timeout),
    }
    Ok(())
}

async fn wait(paths: &Paths) -> Result<()> {
    let path = paths.run_report();
    wait_for(&path).await?;
    let watch = Watch::new(&paths.run_dir())?;
    loop {
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        // The report is replaced atomically; one that can't be read comes from another version, and the next may be readable.
        if let Ok(report) = serde_json::from_str::<RunReport>(&text) {
            if report::is_online(&report) {
                return Ok(());
            }
            if !report::may_come_online(&report) {
                println!("Every port is turned off; going on without an address.");
                return Ok(());
            }
        }
        watch.changed().await?;
    }
}
