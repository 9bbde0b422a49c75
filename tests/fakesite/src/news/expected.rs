//! The expected result of a crawl of the news web, computed from the plan without reading any document.

use std::collections::BTreeMap;

use super::options::Options;
use super::plan::{self, HostPlan, Node, Quirk};

/// The expected result of a crawl.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Expected {
    /// The hosts by name, including those that hang.
    pub hosts: BTreeMap<&'static str, ExpectedHost>,
    /// The sum over all hosts; `hangs` has no meaning here.
    pub total: ExpectedHost,
}

/// The expected result for a host. `found` is the sum of `fetched`, `redirected` and all of `failed`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExpectedHost {
    /// Whether it never answers; then all other fields are zero.
    pub hangs: bool,
    /// Sitemaps of the host that can be discovered: by robots.txt, a well-known path, an index, or a redirect from
    /// another host.
    pub found: u32,
    /// Sitemaps that can be read, possibly after one retry or a redirect within the host.
    pub fetched: u32,
    /// Number of indexes among the fetched sitemaps.
    pub indexes: u32,
    /// Sitemaps that redirect to another host, where they are counted again.
    pub redirected: u32,
    /// Sitemaps that fail, by status.
    pub failed: BTreeMap<u16, u32>,
    /// Entries of the sitemaps that can be read. No two have the same loc.
    pub entries: u64,
}

/// Computes the expected result of a crawl.
pub fn expected(options: Options) -> Expected {
    let mut expected = Expected::default();
    for host in plan::hosts() {
        let of_host = expected_of(&host, options);
        expected.total.add(&of_host);
        expected.hosts.insert(host.name, of_host);
    }
    expected
}

fn expected_of(host: &HostPlan, options: Options) -> ExpectedHost {
    let mut expected = ExpectedHost { hangs: host.hangs && options.hanging, ..ExpectedHost::default() };
    if !expected.hangs {
        host.roots.iter().chain(&host.unlisted).for_each(|node| expected.count(node));
    }
    expected
}

impl ExpectedHost {
    fn count(&mut self, node: &Node) {
        self.found += 1;
        match node {
            Node::Index(index) => {
                self.fetched += 1;
                self.indexes += 1;
                index.children.iter().for_each(|child| self.count(child));
            }
            Node::Document(document) => match document.quirk {
                Quirk::Fails(status) => *self.failed.entry(status).or_default() += 1,
                Quirk::MovedToHost(..) => self.redirected += 1,
                Quirk::None | Quirk::FailsOnce(_) | Quirk::MovedTo(_) => {
                    self.fetched += 1;
                    self.entries += u64::from(document.entries);
                }
            },
        }
    }

    fn add(&mut self, other: &Self) {
        self.found += other.found;
        self.fetched += other.fetched;
        self.indexes += other.indexes;
        self.redirected += other.redirected;
        self.entries += other.entries;
        for (status, count) in &other.failed {
            *self.failed.entry(*status).or_default() += count;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hosts_that_answer_hold_650_000_entries_in_340_sitemaps() {
        let expected = expected(Options::default());
        assert_eq!(expected.total.entries, 650_000);
        assert!((330..=345).contains(&expected.total.found), "{}", expected.total.found);
        assert_eq!(expected.hosts.len(), 19);
        assert_eq!(expected.hosts.values().filter(|host| host.hangs).count(), 2);
    }

    #[test]
    fn the_account_of_every_host_adds_up() {
        for host in expected(Options { hanging: false, ..Options::default() }).hosts.values() {
            assert!(!host.hangs && host.fetched > 0);
            assert_eq!(host.found, host.fetched + host.redirected + host.failed.values().sum::<u32>());
        }
    }
}
