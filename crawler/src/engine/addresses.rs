//! Requests in flight to each address (`--address-concurrency`), and the hosts that wait for one to end.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use frontier::HostId;

/// The slots of all addresses. Workers take them, the engine frees them.
pub struct AddressSlots {
    /// Slots of each address; `None` means no limit.
    max: Option<usize>,
    addresses: Mutex<HashMap<IpAddr, Address>>,
}

/// An address with requests in flight.
#[derive(Default)]
struct Address {
    in_flight: usize,
    /// Hosts that found it full.
    waiting: VecDeque<HostId>,
}

/// The slot of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum AddressSlot {
    /// It needs none.
    #[default]
    NotNeeded,
    /// It has one of this address.
    Taken(IpAddr),
    /// This address has none to spare, so the request was not sent.
    Full(IpAddr),
}

impl AddressSlots {
    /// Gives each address `max` slots; `None` means no limit.
    pub fn new(max: Option<usize>) -> Self {
        Self { max, addresses: Mutex::default() }
    }

    /// Whether there is a limit, so that addresses must be known.
    pub fn is_limited(&self) -> bool {
        self.max.is_some()
    }

    /// Takes a slot of `address` if one is free.
    pub fn take(&self, address: IpAddr) -> AddressSlot {
        let Some(max) = self.max else { return AddressSlot::NotNeeded };
        let mut addresses = self.addresses();
        let entry = addresses.entry(address).or_default();
        if entry.in_flight >= max {
            return AddressSlot::Full(address);
        }
        entry.in_flight += 1;
        AddressSlot::Taken(address)
    }

    /// Makes `host` wait for a slot of `address`. Returns false if one has become free, so that it need not wait.
    pub fn wait(&self, address: IpAddr, host: HostId) -> bool {
        let mut addresses = self.addresses();
        let Some(entry) = addresses.get_mut(&address).filter(|entry| Some(entry.in_flight) >= self.max)
        else {
            return false;
        };
        entry.waiting.push_back(host);
        true
    }

    /// Frees a slot of `address`. `resume` is called for hosts that wait, in their order, until it returns true.
    pub fn free(&self, address: IpAddr, mut resume: impl FnMut(HostId) -> bool) {
        let mut addresses = self.addresses();
        let Some(entry) = addresses.get_mut(&address) else { return };
        entry.in_flight = entry.in_flight.saturating_sub(1);
        while let Some(host) = entry.waiting.pop_front() {
            if resume(host) {
                break;
            }
        }
        if entry.in_flight == 0 && entry.waiting.is_empty() {
            addresses.remove(&address);
        }
    }

    fn addresses(&self) -> MutexGuard<'_, HashMap<IpAddr, Address>> {
        self.addresses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_address_is_waited_for_in_turn_and_hosts_that_are_gone_are_passed_over() {
        let slots = AddressSlots::new(Some(1));
        let (address, other) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        assert_eq!(slots.take(address), AddressSlot::Taken(address));
        assert_eq!(slots.take(address), AddressSlot::Full(address));
        assert_eq!(slots.take(other), AddressSlot::Taken(other));
        let [a, b, c] = [1, 2, 3].map(HostId);
        assert!(slots.wait(address, a) && slots.wait(address, b) && slots.wait(address, c));
        let mut resumed = Vec::new();
        slots.free(address, |host| {
            resumed.push(host);
            host == b
        });
        assert_eq!(resumed, [a, b]);
        assert_eq!(slots.take(address), AddressSlot::Taken(address));
        slots.free(address, |host| host == c);
        assert!(!slots.wait(address, a), "it is free");
        assert!(!slots.addresses().contains_key(&address));
    }

    #[test]
    fn without_a_limit_no_slot_is_needed() {
        let address = IpAddr::from([192, 0, 2, 1]);
        assert_eq!(AddressSlots::new(None).take(address), AddressSlot::NotNeeded);
    }
}
