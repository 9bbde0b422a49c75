//! `crawl report`: where the time went, errors, and the verdict.

use std::io::Write;

use reports::render;
use storage::CrawlReader;

use super::args::{CommonArgs, ReportArgs, ReportFormat};
use super::output;

/// Writes the report to stdout or a file.
pub fn run(common: &CommonArgs, args: &ReportArgs) -> anyhow::Result<u8> {
    let report = reports::report(&CrawlReader::open(&common.data_dir)?)?;
    output::write_result(args.output.as_deref(), |out| match args.format {
        ReportFormat::Text => out.write_all(render::report_text(&report).as_bytes()),
        ReportFormat::Json => render::report_json(&report, out),
    })
}
