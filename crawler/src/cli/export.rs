//! `crawl export`: writes the URLs that were found.

use reports::{EntrySource, ExportError, ExportOptions, Format};

use super::args::{CommonArgs, ExportArgs, ExportFormat};
use super::exit_code;
use super::output::{self, Output};
use super::source::CrawlSource;
use super::usage_error::UsageError;

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
        unique: args.unique.then(|| common.data_dir.join("tmp")),
        since: args.since.as_deref().map(since).transpose()?,
    };
    match CrawlSource::with_entries(common, &args.source)? {
        #[cfg(feature = "shared")]
        CrawlSource::Shared(source) => {
            let options = ExportOptions { unique: args.unique.then(std::env::temp_dir), ..options };
            reports::check_host(source.origins(), &options)?;
            write(args, &options, &*source)
        }
        CrawlSource::Stopped(reader) => {
            reports::check_host(reader.origins(), &options)?;
            write(args, &options, &reader.into_entries())
        }
        CrawlSource::Live(reader) => {
            reports::check_host(reader.live().origins.iter().cloned().map(Ok), &options)?;
            write(args, &options, &reader)
        }
    }
}

fn write(args: &ExportArgs, options: &ExportOptions, source: &dyn EntrySource) -> anyhow::Result<u8> {
    let mut output = Output::open(args.file.as_deref())?;
    match reports::export(source, options, &mut output) {
        Ok(summary) => {
            if summary.undated > 0 {
                let undated = summary.undated;
                output::note(&format!("{undated} entries have no valid lastmod and were kept"));
            }
            output::end(output, Ok(()), args.file.as_deref())
        }
        Err(ExportError::BrokenPipe) => {
            output.abandon();
            Ok(exit_code::OK)
        }
        Err(ExportError::Write(error)) => output::end(output, Err(error), args.file.as_deref()),
        Err(error) => {
            output.abandon();
            Err(error.into())
        }
    }
}

fn since(text: &str) -> Result<jiff::Timestamp, UsageError> {
    sitemap::lastmod::parse(text).ok_or_else(|| UsageError::Since(text.to_owned()))
}
