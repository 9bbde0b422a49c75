//! `crawl rebuild`: builds a new queue from the seeds and the segments.

use crawler::Rebuilt;

use super::args::CommonArgs;
use super::{exit_code, output};

/// Rebuilds the queue and prints what was recovered and what was lost.
pub fn run(common: &CommonArgs) -> anyhow::Result<u8> {
    let rebuilt = crawler::rebuild(&common.data_dir)?;
    output::note(&summary(&rebuilt));
    Ok(exit_code::OK)
}

fn summary(rebuilt: &Rebuilt) -> String {
    let Rebuilt { documents, entries, seeds, .. } = rebuilt;
    let mut lines =
        vec![format!("rebuilt: recovered {documents} documents with {entries} entries, and {seeds} seeds")];
    for name in &rebuilt.damaged {
        lines.push(format!("  segment {name} is damaged: its documents will be fetched again"));
    }
    lines.push(format!("  damaged and unneeded files were moved to {}", rebuilt.aside.display()));
    if rebuilt.seeds_damaged > 0 {
        lines.push(format!(
            "  {} seeds are damaged: add them again with `crawl --seeds FILE`",
            rebuilt.seeds_damaged
        ));
    }
    if rebuilt.settings_lost {
        lines.push("  scope flags are lost: give them again, or the defaults apply".to_owned());
    }
    let next = if *seeds > 0 { "crawl resume" } else { "crawl --seeds FILE" };
    lines.push(format!("  hint: continue with `{next}`, which fetches everything that is missing"));
    lines.join("\n")
}
