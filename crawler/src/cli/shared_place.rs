//! The places of a shared crawl, as the flags name them.

use crawler::SharedPlace;

use super::args::StoreArgs;
use super::usage_error::UsageError;

/// The database and the place for segments of a crawl to run. They are only valid together: other machines cannot read the
/// data directory of one machine.
pub fn of_crawl(args: &StoreArgs) -> Result<SharedPlace, UsageError> {
    match (&args.store, &args.output) {
        (Some(store), Some(output)) => Ok(place(args, store, output)),
        (Some(_), None) => Err(UsageError::NoOutput),
        (None, _) => Err(UsageError::NoStore),
    }
}

/// The same for a crawl to read. `None` if the flags name no store. Without `--output` it has no entries.
pub fn of_results(args: &StoreArgs) -> Result<Option<SharedPlace>, UsageError> {
    match (&args.store, &args.output) {
        (Some(store), output) => Ok(Some(place(args, store, output.as_deref().unwrap_or_default()))),
        (None, Some(_)) => Err(UsageError::NoStore),
        (None, None) => Ok(None),
    }
}

/// Credentials of a bucket come from environment variables.
fn place(args: &StoreArgs, store: &str, output: &str) -> SharedPlace {
    let variables = std::env::vars_os();
    let variables =
        variables.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    SharedPlace {
        store: store.to_owned(),
        output: output.to_owned(),
        name: args.name.clone(),
        credentials: variables.collect(),
    }
}
