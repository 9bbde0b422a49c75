//! Opens the crawl that a command reads.

use crawler::Results;

use super::args::{CommonArgs, SourceArgs};
#[cfg(feature = "shared")]
use super::shared_place;
#[cfg(feature = "shared")]
use super::usage_error::UsageError;

/// Opens the crawl that the flags name. If they name no store, it is the crawl in the data directory.
#[cfg_attr(not(feature = "shared"), expect(unused_variables, reason = "there is no store"))]
pub fn records_only(common: &CommonArgs, source: &SourceArgs) -> anyhow::Result<Results> {
    #[cfg(feature = "shared")]
    if let Some(place) = shared_place::of_results(&source.store)? {
        // Without its entries, which need not be reachable.
        let place = crawler::SharedPlace { output: String::new(), ..place };
        return Ok(Results::shared(&place)?);
    }
    Ok(Results::open(&common.data_dir)?)
}

/// Like [`records_only`], with the entries.
#[cfg_attr(not(feature = "shared"), expect(unused_variables, reason = "there is no store"))]
pub fn with_entries(common: &CommonArgs, source: &SourceArgs) -> anyhow::Result<Results> {
    #[cfg(feature = "shared")]
    if let Some(place) = shared_place::of_results(&source.store)? {
        if place.output.is_empty() {
            return Err(UsageError::NoOutput.into());
        }
        return Ok(Results::shared(&place)?);
    }
    Ok(Results::open(&common.data_dir)?)
}
