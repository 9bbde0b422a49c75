//! `crawl status`: shows what is done and what remains.

use crawler::View;

use super::args::{CommonArgs, StatusArgs, StatusFormat};
use super::{output, source};

/// Prints the status.
pub fn run(common: &CommonArgs, args: &StatusArgs) -> anyhow::Result<u8> {
    let view = match args.format {
        StatusFormat::Text => View::Text,
        StatusFormat::Json => View::Json,
    };
    let status = source::records_only(common, &args.source)?.into_status(view)?;
    output::write_result(None, |out| status.write(out))
}
