//! `crawl status`: shows what is done and what remains.

use std::io::Write;

use frontier::Clock;
use reports::{RecordSource, render};

use super::args::{CommonArgs, StatusArgs, StatusFormat};
use super::output;
use super::source::CrawlSource;
use crate::clock::SystemClock;

/// Prints the status.
pub fn run(common: &CommonArgs, args: &StatusArgs) -> anyhow::Result<u8> {
    match CrawlSource::records_only(common, &args.source)? {
        CrawlSource::Stopped(reader) => write(args, *reader),
        #[cfg(feature = "shared")]
        CrawlSource::Shared(source) => write(args, *source),
        CrawlSource::Live(reader) => {
            let name = match args.format {
                StatusFormat::Text => "status.text",
                StatusFormat::Json => "status.json",
            };
            output::write_live(None, &reader, name)
        }
    }
}

fn write(args: &StatusArgs, reader: impl RecordSource) -> anyhow::Result<u8> {
    let status = reports::status(&reader, SystemClock::new().now())?;
    // The consumer of the output may be slow, and other commands must not wait for it.
    drop(reader);
    output::write_result(None, |out| match args.format {
        StatusFormat::Text => out.write_all(render::status_text(&status).as_bytes()),
        StatusFormat::Json => render::status_json(&status, out),
    })
}
