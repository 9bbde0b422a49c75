//! `crawl report`: where the time went, errors, and the verdict.

use std::io::Write;

use reports::{RecordSource, render};

use super::args::{CommonArgs, ReportArgs, ReportFormat};
use super::output;
use super::reading::Reading;

/// Writes the report to stdout or a file.
pub fn run(common: &CommonArgs, args: &ReportArgs) -> anyhow::Result<u8> {
    match Reading::records(common, &args.source)? {
        Reading::AtRest(reader) => write(args, *reader),
        #[cfg(feature = "shared")]
        Reading::Shared(reading) => write(args, *reading),
        Reading::Live(reader) => {
            let name = match args.format {
                ReportFormat::Text => "report.text",
                ReportFormat::Json => "report.json",
                ReportFormat::Html => "report.html",
            };
            output::write_shown(args.file.as_deref(), &reader, name)
        }
    }
}

fn write(args: &ReportArgs, reader: impl RecordSource) -> anyhow::Result<u8> {
    let path = args.file.as_deref();
    // Whoever reads the output may be slow: the next reader is not to wait for that, so the crawl is let go before.
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
