//! The pace of sites: requests in flight to hosts of one registrable domain, and the time between two of them.

use std::collections::{BTreeSet, HashMap};

use slab::Slab;

use crate::host::Host;
use crate::request::Pace;
use crate::site::Site;
use crate::timestamp::Timestamp;

use super::to_u32;

/// A due time and the place of a host in the schedule.
type Entry = (Timestamp, u32);

/// The sites of the hosts in the schedule. Hosts whose site has no room wait here, in the order of their due times.
pub(super) struct Sites {
    pace: Pace,
    keys: HashMap<u128, u32>,
    sites: Slab<SiteEntry>,
    /// When a host that waits may start, for each site that has room: that moment and the key of the site.
    wakes: BTreeSet<(Timestamp, u32)>,
}

struct SiteEntry {
    id: u128,
    /// Hosts in the schedule.
    hosts: u32,
    in_flight: usize,
    /// No request may start before this: since then there is room, and the last request was long enough ago.
    open_at: Timestamp,
    waiting: BTreeSet<Entry>,
    /// Its entry in [`Sites::wakes`].
    wake_at: Option<Timestamp>,
}

impl Sites {
    pub(super) fn new(pace: Pace) -> Self {
        let pace = Pace { site_concurrency: pace.site_concurrency.max(1), ..pace };
        Self { pace, keys: HashMap::new(), sites: Slab::new(), wakes: BTreeSet::new() }
    }

    /// Adds a host. Returns the key of its site; `None` if sites have no limit.
    pub(super) fn join(&mut self, host: &Host) -> Option<u32> {
        if !self.pace.limits_sites() {
            return None;
        }
        let Self { keys, sites, .. } = self;
        let id = Site::of(host).id();
        let key = *keys.entry(id).or_insert_with(|| {
            let (open_at, waiting) = (Timestamp::from_micros(i64::MIN), BTreeSet::new());
            to_u32(sites.insert(SiteEntry { id, hosts: 0, in_flight: 0, open_at, waiting, wake_at: None }))
        });
        if let Some(site) = sites.get_mut(key as usize) {
            site.hosts += 1;
        }
        Some(key)
    }

    /// Removes a host, which has no request in flight.
    pub(super) fn leave(&mut self, key: Option<u32>, now: Timestamp) {
        self.change(key, |site| site.hosts = site.hosts.saturating_sub(1));
        let is_done = |site: &SiteEntry| site.hosts == 0 && site.open_at <= now;
        if let Some(key) = key
            && self.sites.get(key as usize).is_some_and(is_done)
        {
            self.forget(key);
        }
    }

    fn forget(&mut self, key: u32) {
        if let Some(site) = self.sites.try_remove(key as usize) {
            self.keys.remove(&site.id);
            if let Some(at) = site.wake_at {
                self.wakes.remove(&(at, key));
            }
        }
    }

    /// Since when the site lets a request start, if it does at `now`. Otherwise the host at `place`, which is due at `at`,
    /// waits here.
    pub(super) fn admit(
        &mut self,
        key: Option<u32>,
        (at, place): Entry,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let concurrency = self.pace.site_concurrency;
        let Some(site) = key.and_then(|key| self.sites.get_mut(key as usize)) else { return Some(at) };
        if site.in_flight < concurrency && site.open_at <= now {
            return Some(site.open_at);
        }
        site.waiting.insert((at, place));
        self.change(key, |_| {});
        None
    }

    /// Notes that a request or a skip occupies a slot. It `is_paced` if a request is sent.
    pub(super) fn start(&mut self, key: Option<u32>, is_paced: bool, now: Timestamp) {
        let spacing = self.pace.site_spacing;
        self.change(key, |site| {
            site.in_flight += 1;
            if is_paced && !spacing.is_zero() {
                site.open_at = site.open_at.max(now + spacing);
            }
        });
    }

    /// Notes that a request left at `now`, later than it was started.
    pub(super) fn started(&mut self, key: Option<u32>, now: Timestamp) {
        let spacing = self.pace.site_spacing;
        if !spacing.is_zero() {
            self.change(key, |site| site.open_at = site.open_at.max(now + spacing));
        }
    }

    /// Notes that a slot is free again.
    pub(super) fn settle(&mut self, key: Option<u32>, now: Timestamp) {
        let concurrency = self.pace.site_concurrency;
        self.change(key, |site| {
            if site.in_flight >= concurrency {
                site.open_at = site.open_at.max(now);
            }
            site.in_flight = site.in_flight.saturating_sub(1);
        });
    }

    /// When the next host that waits here may start.
    pub(super) fn next_at(&self) -> Option<Timestamp> {
        self.wakes.first().map(|(at, _)| *at)
    }

    /// A host that waited and may start at `now`. Entries for which `is_current` does not hold are dropped.
    pub(super) fn take(&mut self, now: Timestamp, is_current: impl Fn(Entry) -> bool) -> Option<u32> {
        loop {
            let (_, key) = *self.wakes.first().filter(|(at, _)| *at <= now)?;
            let mut next = None;
            self.change(Some(key), |site| next = site.waiting.pop_first());
            let is_empty = |site: &SiteEntry| site.hosts == 0;
            if self.sites.get(key as usize).is_none_or(is_empty) {
                self.forget(key);
            } else if let Some((_, place)) = next.filter(|entry| is_current(*entry)) {
                return Some(place);
            }
        }
    }

    /// Changes a site and the moment at which it is looked at again.
    fn change(&mut self, key: Option<u32>, change: impl FnOnce(&mut SiteEntry)) {
        let Some(key) = key else { return };
        let Some(site) = self.sites.get_mut(key as usize) else { return };
        change(site);
        let has_room = site.in_flight < self.pace.site_concurrency;
        // A site without hosts is kept until its next request would be allowed.
        let is_wanted = site.hosts == 0 || (has_room && !site.waiting.is_empty());
        let wake_at = is_wanted.then_some(site.open_at);
        if wake_at != site.wake_at {
            if let Some(at) = std::mem::replace(&mut site.wake_at, wake_at) {
                self.wakes.remove(&(at, key));
            }
            self.wakes.extend(wake_at.map(|at| (at, key)));
        }
    }
}
