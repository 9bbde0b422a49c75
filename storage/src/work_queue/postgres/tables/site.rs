//! The table `site`.

use std::collections::BTreeMap;

use frontier::Site;
use frontier::work_queue::Change;
use tokio_postgres::Row;

use crate::work_queue::postgres::columns::{Columns, array};
use crate::work_queue::postgres::error::Failure;
use crate::work_queue::postgres::fields::Fields;
use crate::work_queue::postgres::values::signed;

/// The numbers of hosts of those of `sites` that have rows.
pub(crate) fn site_counts(
    rows: &[Row],
    sites: impl Iterator<Item = Site>,
) -> Result<BTreeMap<Site, u64>, Failure> {
    let mut hosts = BTreeMap::new();
    for row in rows {
        let mut site = Fields::of("site", row);
        hosts.insert(site.get::<&str>("site")?, site.count("hosts")?);
    }
    Ok(sites
        .filter_map(|site| Some((hosts.get(site.as_str()).copied()?, site)))
        .map(|(n, site)| (site, n))
        .collect())
}

/// Sites that get hosts.
pub(crate) fn site_rows(sites: &[(&Site, &Change<u64>)]) -> Columns {
    // Other sessions may add hosts at the same time, so the column has the number of those added.
    let added = |change: &Change<u64>| signed(change.after.saturating_sub(change.before.unwrap_or(0)));
    let columns = vec![
        ("site", array(sites, |(site, _)| site.to_string())),
        ("hosts", array(sites, |(_, change)| added(change))),
    ];
    Columns::of(sites, columns)
}
