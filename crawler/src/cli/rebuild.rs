//! `crawl rebuild`: a damaged queue, built anew from what the segments hold.

use std::sync::Arc;

use storage::Rebuilt;

use super::args::CommonArgs;
use super::{exit_code, output};
use crate::clock::SystemClock;

/// Rebuilds the queue and says what is there and what was lost.
pub fn run(common: &CommonArgs) -> anyhow::Result<u8> {
    let rebuilt = storage::rebuild(&common.data_dir, Arc::new(SystemClock::new()))?;
    output::note(&told(&rebuilt));
    Ok(exit_code::OK)
}

fn told(rebuilt: &Rebuilt) -> String {
    let Rebuilt { documents, entries, seeds, .. } = rebuilt;
    let mut lines = vec![format!(
        "rebuilt: {documents} documents with {entries} entries are whole; {seeds} seeds are known"
    )];
    for name in &rebuilt.damaged {
        lines.push(format!("  segment {name} is damaged: its documents are asked again"));
    }
    lines.push(format!("  what is damaged or not needed any more lies in {}", rebuilt.aside.display()));
    if rebuilt.seeds_damaged > 0 {
        lines.push(format!(
            "  {} seeds are damaged: give them again with `crawl --seeds FILE`",
            rebuilt.seeds_damaged
        ));
    }
    if rebuilt.settings_lost {
        lines.push("  scope flags are lost: give them again, or the defaults hold".to_owned());
    }
    let next = if *seeds > 0 { "crawl resume" } else { "crawl --seeds FILE" };
    lines.push(format!("  hint: go on with `{next}`, which asks for all that is not there"));
    lines.join("\n")
}
