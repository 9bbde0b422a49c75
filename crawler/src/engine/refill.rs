//! The hosts in work: given back when they have nothing to do, lent, and loaded with tasks, all beside the crawl.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use frontier::work_queue::{Counts, LeasedHost, Loaded, QueueError, Release, Session};
use frontier::{Clock, HostId, Timestamp, WorkQueue};
use tokio::task::JoinHandle;

use super::{Engine, EngineError};

/// Hosts held per request in flight: enough that one is due whenever a slot is free, and a bound for memory.
const HOSTS_PER_SLOT: usize = 8;
/// Hosts lent at once: they may bring the largest rules there can be.
const LEASES_MAX: usize = 64;
/// Hosts lent at once where the rules of those lent take much already, and workers are free.
const LEASES_LADEN_MAX: usize = 4;
/// Hosts whose tasks are loaded at once.
const LOADS_MAX: usize = 256;
/// Tasks loaded of a host when it is lent.
const TASKS_FIRST: usize = 16;
/// A worker with nothing to do looks for hosts that others made due, at first and at last so often.
const POLL_FIRST: Duration = Duration::from_millis(100);
const POLL_LAST: Duration = Duration::from_secs(5);
/// A due host that nobody has taken for so long is wanted by nobody else.
const LEFT_AFTER: Duration = Duration::from_secs(2);
/// How old the totals that are shown may be.
const COUNTS_EVERY: Duration = Duration::from_secs(1);

/// Releasing, leasing and loading, done beside everything else; at most one at a time.
pub struct Refill {
    running: Option<JoinHandle<Result<Refilled, QueueError>>>,
    /// There may be hosts to lend.
    pub(super) wants_hosts: bool,
    /// When a host comes due that is neither lent nor parked.
    pub(super) next_due_at: Option<Timestamp>,
    /// When to look for hosts that other workers made due or let go; `None` while they have none.
    pub(super) poll_at: Option<Timestamp>,
    poll_every: Duration,
    /// The hosts that fall to this worker.
    share: usize,
    /// Due hosts lie about that nobody takes.
    is_left: bool,
    /// The queue's totals, as of the last time.
    pub(super) counts: Counts,
    counted_at: Timestamp,
}

struct Wanted {
    releases: Vec<Release>,
    wanting_tasks: Vec<(HostId, usize)>,
    hosts: usize,
}

pub(super) struct Refilled {
    offered: Vec<Release>,
    /// Of those, the ones that stay lent because they have new tasks.
    stay: Vec<HostId>,
    leased: Vec<LeasedHost>,
    loaded: Vec<Loaded>,
    /// As many hosts as there was room for: there may be more.
    is_full: bool,
    counts: Counts,
    workers: u64,
}

impl Refill {
    /// Nothing is lent yet.
    pub fn new() -> Self {
        Self {
            running: None,
            wants_hosts: true,
            next_due_at: None,
            poll_at: None,
            poll_every: POLL_FIRST,
            share: usize::MAX,
            is_left: false,
            counts: Counts::default(),
            counted_at: Timestamp::default(),
        }
    }

    pub(super) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    pub(super) async fn finished(&mut self) -> Result<Refilled, EngineError> {
        let Some(running) = &mut self.running else { return std::future::pending().await };
        let refilled = running.await.map_err(|_| EngineError::Part("the refill"));
        self.running = None;
        Ok(refilled??)
    }
}

impl<Q: WorkQueue> Engine<Q> {
    /// Hosts that may be lent besides those that are.
    pub(super) fn room(&self) -> usize {
        let has_slot = self.schedule.in_flight() < self.settings.concurrency;
        let most = match self.schedule.has_room_for_rules() {
            true => LEASES_MAX,
            false if has_slot => LEASES_LADEN_MAX,
            false => 0,
        };
        let share = if self.refill.is_left { usize::MAX } else { self.refill.share };
        (self.settings.concurrency * HOSTS_PER_SLOT)
            .min(share)
            .saturating_sub(self.schedule.hosts())
            .min(most)
    }

    /// Gives up rules where they take too much, at once: giving their hosts back may take long while others are recorded.
    pub(super) fn evict_rules(&mut self) {
        if self.schedule.evict_rules(self.clock.now()) > 0 {
            self.roll_now.notify_one();
        }
    }

    /// Gives back hosts with nothing to do, lends others, and loads tasks, all beside the crawl.
    pub(super) fn refill(&mut self) {
        let now = self.clock.now();
        if self.refill.is_running() {
            return;
        }
        let excess = self.schedule.hosts().saturating_sub(self.refill.share);
        let is_full = self.schedule.in_flight() >= self.settings.concurrency;
        if excess > 0 && !self.refill.is_left && self.schedule.release_surplus(excess, is_full, now) > 0 {
            self.roll_now.notify_one();
        }
        let releases = self.schedule.idle();
        let wanting_tasks = self.schedule.wanting_tasks(LOADS_MAX);
        let is_due = |moment: Option<Timestamp>| moment.is_some_and(|due| due <= now);
        let is_time =
            self.refill.wants_hosts || is_due(self.refill.next_due_at) || is_due(self.refill.poll_at);
        let hosts = if is_time || !releases.is_empty() { self.room() } else { 0 };
        let is_outdated = now.since(self.refill.counted_at) >= COUNTS_EVERY;
        if releases.is_empty() && wanting_tasks.is_empty() && hosts == 0 && !is_outdated {
            return;
        }
        self.refill.wants_hosts &= hosts == 0;
        self.refill.next_due_at = None;
        self.refill.poll_at = None;
        let wanted = Wanted { releases, wanting_tasks, hosts };
        self.refill.running = Some(tokio::spawn(refilled(self.queue.clone(), self.session.clone(), wanted)));
    }

    pub(super) fn admit(&mut self, refilled: Refilled) {
        let now = self.clock.now();
        self.schedule.released(&refilled.offered, &refilled.stay, now);
        for release in refilled.offered.iter().filter(|release| !refilled.stay.contains(&release.host)) {
            self.blocked.remove(&release.host);
        }
        let has_found_nothing = refilled.leased.is_empty();
        for mut leased in refilled.leased {
            let product_token = &self.settings.identity.product_token;
            leased.robots.take_if(|known| !known.speaks_to(product_token));
            self.schedule.admit(leased, now);
        }
        for loaded in refilled.loaded {
            self.schedule.load(loaded, now);
        }
        if refilled.is_full {
            self.refill.wants_hosts = true;
        }
        let counts = refilled.counts;
        self.refill.next_due_at = counts.next_due_at;
        self.refill.is_left = counts.next_due_at.is_some_and(|due| now.since(due) > LEFT_AFTER);
        self.refill.share = share(&counts, refilled.workers);
        let others_have_hosts = counts.hosts_leased > self.schedule.hosts() as u64;
        self.refill.poll_every =
            if has_found_nothing { (self.refill.poll_every * 2).min(POLL_LAST) } else { POLL_FIRST };
        let jittered = self.refill.poll_every.mul_f64(0.5 + self.jitter.next() / 2.0);
        self.refill.poll_at = others_have_hosts.then(|| now + jittered);
        self.refill.counts = counts;
        self.refill.counted_at = now;
    }
}

async fn refilled<Q: WorkQueue>(
    queue: Arc<Q>,
    session: Session,
    wanted: Wanted,
) -> Result<Refilled, QueueError> {
    let Wanted { releases, wanting_tasks, hosts } = wanted;
    let stay = if releases.is_empty() { Vec::new() } else { queue.release(&session, &releases).await? };
    let leased = if hosts > 0 { queue.lease(&session, hosts).await? } else { Vec::new() };
    let is_full = hosts > 0 && leased.len() == hosts;
    let mut loaded = Vec::new();
    // Hosts that want the same number are asked about together.
    let mut by_number: HashMap<usize, Vec<HostId>> = HashMap::new();
    let fresh = leased.iter().map(|leased| (leased.host.id(), TASKS_FIRST));
    for (host, n) in wanting_tasks.into_iter().chain(fresh) {
        by_number.entry(n).or_default().push(host);
    }
    for (n, hosts) in by_number {
        loaded.extend(queue.load(&session, &hosts, n).await?);
    }
    let (counts, workers) = (queue.counts().await?, queue.workers().await?);
    Ok(Refilled { offered: releases, stay, leased, loaded, is_full, counts, workers })
}

/// The hosts that fall to one of so many workers.
fn share(counts: &Counts, workers: u64) -> usize {
    let busy = counts.hosts.saturating_sub(counts.hosts_done + counts.hosts_parked);
    let share = if workers > 1 { busy.div_ceil(workers).max(1) } else { u64::MAX };
    usize::try_from(share).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_with_something_to_do_are_shared_out_among_many_workers_only() {
        let counts = Counts { hosts: 13, hosts_done: 2, hosts_parked: 1, ..Counts::default() };
        assert_eq!(share(&counts, 1), usize::MAX);
        assert_eq!(share(&counts, 3), 4);
        assert_eq!(share(&Counts::default(), 3), 1, "whoever finds the first one takes it");
    }
}
