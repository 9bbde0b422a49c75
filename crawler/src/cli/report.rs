//! `crawl report`: shows where the time went, the errors and the verdict.

use crawler::View;

use super::args::{CommonArgs, ReportArgs, ReportFormat};
use super::{output, source};

/// Writes the report to stdout or a file.
pub fn run(common: &CommonArgs, args: &ReportArgs) -> anyhow::Result<u8> {
    let view = match args.format {
        ReportFormat::Text => View::Text,
        ReportFormat::Json => View::Json,
        ReportFormat::Html => View::Html,
    };
    let report = source::records_only(common, &args.source)?.into_report(view)?;
    output::write_result(args.file.as_deref(), |out| report.write(out))
}
