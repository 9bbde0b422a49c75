//! `crawl export`: writes the URLs that were found.

use std::path::PathBuf;

use crawler::{ExportError, ExportOptions, Format};

use super::args::{CommonArgs, ExportArgs, ExportFormat};
use super::output::{self, Output};
use super::usage_error::UsageError;
use super::{exit_code, source};

/// Writes the entries to stdout or a file.
pub fn run(common: &CommonArgs, args: &ExportArgs) -> anyhow::Result<u8> {
    let options = ExportOptions {
        format: match args.format {
            ExportFormat::Txt => Format::Txt,
            ExportFormat::Csv => Format::Csv,
            ExportFormat::Jsonl => Format::Jsonl,
            ExportFormat::Parquet => Format::Parquet,
        },
        host: args.host.clone(),
        unique: args.unique.then(|| scratch_dir(common, args)),
        since: args.since.as_deref().map(since).transpose()?,
    };
    let results = source::with_entries(common, &args.source)?;
    let mut output = Output::open(args.file.as_deref())?;
    match results.export(&options, &mut output) {
        Ok(summary) => {
            if summary.undated > 0 {
                let undated = summary.undated;
                output::note(&format!("{undated} entries have no valid lastmod and were kept"));
            }
            output::end(output, Ok(()), args.file.as_deref())
        }
        Err(crawler::Error::Export(ExportError::BrokenPipe)) => {
            output.abandon();
            Ok(exit_code::OK)
        }
        Err(crawler::Error::Export(ExportError::Write(error))) => {
            output::end(output, Err(error), args.file.as_deref())
        }
        Err(error) => {
            output.abandon();
            Err(error.into())
        }
    }
}

/// Where repeats are found. A shared crawl has no data directory.
fn scratch_dir(common: &CommonArgs, args: &ExportArgs) -> PathBuf {
    #[cfg(feature = "shared")]
    if args.source.store.store.is_some() {
        return std::env::temp_dir();
    }
    let _ = args;
    common.data_dir.join("tmp")
}

fn since(text: &str) -> Result<jiff::Timestamp, UsageError> {
    sitemap::lastmod::parse(text).ok_or_else(|| UsageError::Since(text.to_owned()))
}
