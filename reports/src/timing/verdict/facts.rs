//! The facts that decide a verdict.

use frontier::Stages;

use super::super::critical_line::CriticalLine;
use super::super::network::NetworkFloor;
use super::super::sessions::Sessions;
use super::time_by_bound::{Bound, TimeByBound};
use crate::figures::{Cpu, State, seconds};
use crate::units::counted;

/// The CPU limited the crawl if the machine's cores were at least this busy…
const MACHINE_BUSY: f64 = 0.9;

/// …and at least this share of that was the crawl's. Otherwise another program kept them busy.
const OURS_OF_BUSY: f64 = 0.5;

/// Slots were short because of the CPU if each worker kept at least this share of one core busy all the time.
const CORE_BUSY: f64 = 0.9;

/// The facts that decide a verdict.
#[derive(Clone, Debug)]
pub(crate) struct Facts<'a> {
    pub(crate) state: State,
    pub(crate) tasks_pending: u64,
    pub(crate) sessions: &'a Sessions,
    pub(crate) cpu: Cpu,
    /// The stages of all requests.
    pub(crate) all_hosts: Stages,
    /// Known hosts.
    pub(crate) hosts: u64,
    /// The line of the host that ended last; `None` without a request.
    pub(crate) line: Option<CriticalLine>,
}

impl Facts<'_> {
    /// Whether the machine's cores were busy, mostly with the crawl.
    pub(super) fn is_machine_busy(&self) -> bool {
        let busy = self.cpu.machine_utilisation;
        busy >= MACHINE_BUSY && self.cpu.utilisation >= busy * OURS_OF_BUSY
    }

    /// Whether the machine's cores were busy, mostly with other programs.
    pub(super) fn is_machine_busy_with_others(&self) -> bool {
        self.cpu.machine_utilisation >= MACHINE_BUSY && !self.is_machine_busy()
    }

    /// How short of CPU the crawl was.
    ///
    /// Slots were short of it if two conditions hold. Requests in slots spent more time decompressing, parsing and
    /// recording than on the network. And the CPU clocks agree: each worker used at least [`CORE_BUSY`] of one core
    /// all the time.
    pub(crate) fn shortage(&self) -> CpuShortage {
        let time = TimeByBound::of(&self.all_hosts);
        let worked_us = self.sessions.worked_us();
        let is_core_busy = self.cpu.process_s >= seconds(worked_us) * CORE_BUSY && worked_us > 0;
        match () {
            () if self.is_machine_busy() => CpuShortage::Machine,
            () if time.cpu_us > time.network_us && is_core_busy => CpuShortage::Slots,
            () => CpuShortage::None,
        }
    }

    /// ` of 4 workers` if there were several, each with its own cores and slots; otherwise empty.
    pub(super) fn of_workers(&self) -> String {
        let workers = self.sessions.workers();
        if workers > 1 { format!(" of {}", counted(workers, "worker")) } else { String::new() }
    }

    /// Splits `stages` by bound. Counts the wait for a slot as CPU if the crawl was short of CPU.
    pub(super) fn time_by_bound(&self, stages: &Stages) -> TimeByBound {
        let time = TimeByBound::of(stages);
        if self.shortage() == CpuShortage::None { time } else { time.with_slot_as_cpu() }
    }
}

/// How short of CPU a crawl was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum CpuShortage {
    /// It was not.
    None,
    /// The slots of `--concurrency` were taken by requests that waited for a core.
    Slots,
    /// The crawl kept all cores busy.
    Machine,
}

/// What limited a host with these stages, as far as the stages prove it.
pub(crate) fn bound_of(stages: &Stages, floor: NetworkFloor, shortage: CpuShortage) -> Option<Bound> {
    let time = TimeByBound::of(stages);
    match shortage {
        CpuShortage::None => time.largest(),
        CpuShortage::Slots => time.with_slot_as_cpu().largest(),
        CpuShortage::Machine => time.with_slot_as_cpu().with_late_bytes_as_cpu(floor).largest(),
    }
}
