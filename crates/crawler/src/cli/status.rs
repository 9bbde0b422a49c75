//! `crawl status`: what is done and what remains.

use std::io::Write;

use frontier::Clock;
use reports::render;
use storage::CrawlReader;

use super::args::{CommonArgs, StatusArgs, StatusFormat};
use super::output;
use crate::clock::SystemClock;

/// Prints the status.
pub fn run(common: &CommonArgs, args: &StatusArgs) -> anyhow::Result<u8> {
    let status = reports::status(&CrawlReader::open(&common.data_dir)?, SystemClock::new().now())?;
    output::write_result(None, |out| match args.format {
        StatusFormat::Text => out.write_all(render::status_text(&status).as_bytes()),
        StatusFormat::Json => render::status_json(&status, out),
    })
}
