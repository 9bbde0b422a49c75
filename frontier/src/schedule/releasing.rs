//! Which hosts are given back to the queue.

use crate::host::HostId;
use crate::timestamp::Timestamp;
use crate::work_queue::Release;

use super::{HostEntry, Schedule};

impl Schedule {
    /// Hosts with nothing left to do, ready for release. Each is named once; call [`released`](Self::released) with the
    /// queue's answer.
    pub fn idle(&mut self) -> Vec<Release> {
        let mut idle = Vec::new();
        for place in std::mem::take(&mut self.queued.idle) {
            let Some(entry) = self.hosts.get_mut(place) else { continue };
            entry.is_queued_as_idle = false;
            if entry.queue.is_idle() {
                idle.push(entry.queue.begin_release());
            }
        }
        idle
    }

    /// Chooses hosts to release together with their tasks because other sessions want them, up to `n` with those chosen
    /// before. Returns the number chosen now.
    ///
    /// Candidates are hosts whose next request is not due yet and, if no worker is free (`is_full`), hosts that wait
    /// for a worker. A chosen host is [idle](Self::idle) as soon as all its requests settled ahead are settled.
    pub fn release_surplus(&mut self, n: usize, is_full: bool, now: Timestamp) -> usize {
        let chosen = self.hosts.iter().filter(|(_, entry)| entry.queue.is_surplus()).count();
        let waits = |entry: &HostEntry| (is_full || entry.waits(now)) && entry.queue.can_be_released();
        let waiting = self.hosts.iter().filter(|(_, entry)| waits(entry));
        let missing = n.saturating_sub(chosen);
        let places: Vec<usize> = waiting.map(|(place, _)| place).take(missing).collect();
        for &place in &places {
            self.mark_surplus(place, now);
        }
        places.len()
    }

    /// Removes the hosts in `offered` that the queue took back. Those in `stay` were not taken back, because they
    /// have new tasks, and remain.
    pub fn released(&mut self, offered: &[Release], stay: &[HostId], now: Timestamp) {
        for &host in stay {
            self.update(host, now, |queue| queue.keep_leased(now));
        }
        for release in offered {
            let Some(&place) = self.places.get(&release.host) else { continue };
            if self.hosts.get(place).is_some_and(|entry| entry.queue.is_being_released()) {
                self.places.remove(&release.host);
                let entry = self.hosts.remove(place);
                self.rules.text_bytes -= entry.queue.text_bytes();
                self.sites.leave(entry.site, now);
                if let Some(rules_use) = entry.rules_use {
                    self.rules.loaded.forget(rules_use);
                }
            }
        }
    }

    fn mark_surplus(&mut self, place: usize, now: Timestamp) {
        if let Some(entry) = self.hosts.get_mut(place) {
            entry.queue.release_surplus(entry.due_at().unwrap_or(now));
            self.reschedule(place, now);
        }
    }
}
