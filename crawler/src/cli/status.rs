//! `crawl status`: what is done and what remains.

use std::io::Write;

use frontier::Clock;
use reports::{RecordSource, render};

use super::args::{CommonArgs, StatusArgs, StatusFormat};
use super::output;
use super::reading::Reading;
use crate::clock::SystemClock;

/// Prints the status.
pub fn run(common: &CommonArgs, args: &StatusArgs) -> anyhow::Result<u8> {
    match Reading::records(common, &args.source)? {
        Reading::AtRest(reader) => write(args, *reader),
        #[cfg(feature = "shared")]
        Reading::Shared(reading) => write(args, *reading),
        Reading::Live(reader) => {
            let name = match args.format {
                StatusFormat::Text => "status.text",
                StatusFormat::Json => "status.json",
            };
            output::write_shown(None, &reader, name)
        }
    }
}

fn write(args: &StatusArgs, reader: impl RecordSource) -> anyhow::Result<u8> {
    let status = reports::status(&reader, SystemClock::new().now())?;
    // Whoever reads the output may be slow; the next reader is not to wait for that.
    drop(reader);
    output::write_result(None, |out| match args.format {
        StatusFormat::Text => out.write_all(render::status_text(&status).as_bytes()),
        StatusFormat::Json => render::status_json(&status, out),
    })
}
