//! `crawl report`: shows where the time went, the errors and the verdict.

use std::io::Write;

use reports::{RecordSource, render};

use super::args::{CommonArgs, ReportArgs, ReportFormat};
use super::output;
use super::source::CrawlSource;

/// Writes the report to stdout or a file.
pub fn run(common: &CommonArgs, args: &ReportArgs) -> anyhow::Result<u8> {
    match CrawlSource::records_only(common, &args.source)? {
        CrawlSource::Stopped(reader) => write(args, *reader),
        #[cfg(feature = "shared")]
        CrawlSource::Shared(source) => write(args, *source),
        CrawlSource::Live(reader) => {
            let name = match args.format {
                ReportFormat::Text => "report.text",
                ReportFormat::Json => "report.json",
                ReportFormat::Html => "report.html",
            };
            output::write_live(args.file.as_deref(), &reader, name)
        }
    }
}

fn write(args: &ReportArgs, reader: impl RecordSource) -> anyhow::Result<u8> {
    let path = args.file.as_deref();
    // The data directory is unlocked before anything is written: the consumer of the output may be slow, and other commands
    // must not wait for it.
    match args.format {
        ReportFormat::Text => {
            let text = render::report_text(&reports::report(&reader)?);
            drop(reader);
            output::write_result(path, |out| out.write_all(text.as_bytes()))
        }
        ReportFormat::Json => {
            let report = reports::report(&reader)?;
            drop(reader);
            output::write_result(path, |out| render::report_json(&report, out))
        }
        ReportFormat::Html => {
            let (report, timeline) = reports::report_with_timeline(&reader)?;
            drop(reader);
            output::write_result(path, |out| render::report_html(&report, &timeline, out))
        }
    }
}
