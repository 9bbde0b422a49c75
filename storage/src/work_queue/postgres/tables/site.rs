//! The table `site`.

use std::collections::BTreeMap;

use frontier::Site;
use frontier::work_queue::Change;
use tokio_postgres::Row;

use crate::work_queue::postgres::error::Failure;
use crate::work_queue::postgres::fields::Fields;
use crate::work_queue::postgres::sql::Parameter;
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

/// Sites that get hosts, as one array per column.
#[derive(Default)]
pub(crate) struct SiteRows {
    site: Vec<String>,
    /// Hosts added. Other sessions may add some at the same time.
    hosts: Vec<i64>,
}

impl SiteRows {
    pub(crate) fn is_empty(&self) -> bool {
        self.site.is_empty()
    }

    pub(crate) fn push(&mut self, site: &Site, change: &Change<u64>) {
        self.site.push(site.to_string());
        self.hosts.push(signed(change.after.saturating_sub(change.before.unwrap_or(0))));
    }

    pub(crate) fn parameters<'a>(&'a self, crawl: &'a i32) -> [Parameter<'a>; 3] {
        [("crawl", crawl), ("site", &self.site), ("hosts", &self.hosts)]
    }
}
