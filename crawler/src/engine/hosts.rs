//! Which hosts a worker has leased: when it releases hosts, leases more, and loads tasks.

use std::time::Duration;

use frontier::Timestamp;

use super::Engine;
use super::environment::Environment;
use super::refill::{Refilled, Wanted};

/// Leased hosts per request in flight. Enough that a host is due whenever a slot is free, and a bound for memory.
const HOSTS_PER_SLOT: usize = 8;
/// Maximum number of hosts to lease at once. Each may come with robots.txt rules of the largest size.
const LEASES_MAX: usize = 64;
/// The same if the rules of the leased hosts already take much memory, and slots are free.
const LOW_MEMORY_LEASES_MAX: usize = 4;
/// Maximum number of hosts to load tasks for at once.
const LOADS_MAX: usize = 256;
/// Maximum age of the totals that the progress shows.
const COUNTS_AGE_MAX: Duration = Duration::from_secs(1);

impl<E: Environment> Engine<E> {
    /// The number of hosts that may be leased now.
    pub(super) fn room(&self) -> usize {
        let has_slot = self.schedule.in_flight() < self.workers.shared.settings.concurrency;
        let most = match self.schedule.has_room_for_rules() {
            true => LEASES_MAX,
            false if has_slot => LOW_MEMORY_LEASES_MAX,
            false => 0,
        };
        let share = if self.refill.has_unclaimed_hosts { usize::MAX } else { self.refill.share };
        (self.workers.shared.settings.concurrency * HOSTS_PER_SLOT)
            .min(share)
            .saturating_sub(self.schedule.hosts())
            .min(most)
    }

    /// Evicts robots.txt rules if they take too much memory. This does not wait until their hosts are released, which may take
    /// long while other results are recorded.
    pub(super) fn evict_rules(&mut self) {
        if self.schedule.evict_rules(self.now()) > 0 {
            self.recording.roll_now.notify_one();
        }
    }

    /// Starts to release hosts without work, lease others and load tasks, if any of this is needed.
    pub(super) fn refill(&mut self) {
        let now = self.now();
        if self.refill.is_running() {
            return;
        }
        let excess = self.schedule.hosts().saturating_sub(self.refill.share);
        let is_full = self.schedule.in_flight() >= self.workers.shared.settings.concurrency;
        if excess > 0
            && !self.refill.has_unclaimed_hosts
            && self.schedule.release_surplus(excess, is_full, now) > 0
        {
            self.recording.roll_now.notify_one();
        }
        let releases = self.schedule.idle();
        let wanting_tasks = self.schedule.wanting_tasks(LOADS_MAX);
        let is_due = |moment: Option<Timestamp>| moment.is_some_and(|due| due <= now);
        let is_time =
            self.refill.wants_hosts || is_due(self.refill.next_due_at) || is_due(self.refill.poll_at);
        let hosts = if is_time || !releases.is_empty() { self.room() } else { 0 };
        let is_outdated = now.since(self.refill.counted_at) >= COUNTS_AGE_MAX;
        if releases.is_empty() && wanting_tasks.is_empty() && hosts == 0 && !is_outdated {
            return;
        }
        let wanted = Wanted { releases, wanting_tasks, hosts };
        let (session, events) = (self.workers.shared.session.clone(), self.observers.events.clone());
        self.refill.start(self.queue.clone(), session, wanted, events);
    }

    /// Takes over the result of a refill.
    pub(super) fn admit(&mut self, refilled: Refilled) {
        let Refilled { releases, kept, leased, loaded, totals } = refilled;
        let now = self.now();
        self.schedule.released(&releases, &kept, now);
        for release in releases.iter().filter(|release| !kept.contains(&release.host)) {
            self.earlier.blocked.remove(&release.host);
        }
        for mut host in leased {
            let product_token = &self.workers.shared.settings.identity.product_token;
            host.robots.take_if(|known| !known.speaks_to(product_token));
            self.schedule.admit(host, now);
        }
        for loaded in loaded {
            self.schedule.load(loaded, now);
        }
        let (hosts, jitter) = (self.schedule.hosts(), self.jitter.next());
        self.refill.update(totals, hosts, jitter, now);
    }
}
