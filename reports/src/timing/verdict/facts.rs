//! What a verdict is found from.

use frontier::Stages;

use super::super::critical_line::Line;
use super::super::host_table::NetworkFloor;
use super::{Bound, TimeByBound};
use crate::report::{Cpu, State, seconds};
use crate::units::counted;

/// The machine is the bound where its cores were at least this busy…
const MACHINE_BUSY: f64 = 0.9;

/// …and at least this part of that was ours: else somebody else's work held it.
const OURS_OF_BUSY: f64 = 0.5;

/// Places among `--concurrency` are short for want of CPU where we kept at least this much of one core busy throughout.
const CORE_BUSY: f64 = 0.9;

/// What a verdict is found from.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub(crate) state: State,
    pub(crate) tasks_pending: u64,
    pub(crate) wall_us: u64,
    /// The time of all sessions, which is more where several workers were at it together.
    pub(crate) worked_us: u64,
    /// Whether many machines may share the crawl.
    pub(crate) is_shared: bool,
    /// Workers that were at it together.
    pub(crate) workers: u64,
    pub(crate) cpu: Cpu,
    /// The stages of all requests.
    pub(crate) all_hosts: Stages,
    /// Hosts known.
    pub(crate) hosts: u64,
    /// The host that ended last; `None` without a request.
    pub(crate) line: Option<Line>,
}

impl Facts {
    /// Whether the machine's cores were busy, mostly with us.
    pub(super) fn is_machine_busy(&self) -> bool {
        let busy = self.cpu.machine_utilisation;
        busy >= MACHINE_BUSY && self.cpu.utilisation >= busy * OURS_OF_BUSY
    }

    /// Whether the cores were busy, mostly with somebody else's work.
    pub(super) fn is_machine_crowded(&self) -> bool {
        self.cpu.machine_utilisation >= MACHINE_BUSY && !self.is_machine_busy()
    }

    /// What was short of CPU.
    ///
    /// Places were where those that held one spent more of their time inflating, reading and recording than on the
    /// network, and the clocks agree: each worker did at least one core's worth of work all the time.
    pub(crate) fn shortage(&self) -> Shortage {
        let held = TimeByBound::of(&self.all_hosts);
        let is_core_busy = self.cpu.process_s >= seconds(self.worked_us) * CORE_BUSY && self.worked_us > 0;
        match () {
            () if self.is_machine_busy() => Shortage::Everything,
            () if held.cpu_us > held.network_us && is_core_busy => Shortage::Places,
            () => Shortage::None,
        }
    }

    /// ` of 4 workers`, where there were several, each with cores and places of its own.
    pub(super) fn of_workers(&self) -> String {
        if self.workers > 1 { format!(" of {}", counted(self.workers, "worker")) } else { String::new() }
    }

    pub(super) fn held(&self, stages: &Stages) -> TimeByBound {
        let held = TimeByBound::of(stages);
        if self.shortage() == Shortage::None { held } else { held.with_slot_as_cpu() }
    }
}

/// What was short of CPU in a crawl.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Shortage {
    /// Nothing.
    None,
    /// Places among `--concurrency`: those who held one waited for a core.
    Places,
    /// All of it: the cores were busy with it.
    Everything,
}

/// What held a host with these stages, as far as they prove it.
pub(crate) fn bound_of(stages: &Stages, floor: NetworkFloor, shortage: Shortage) -> Option<Bound> {
    let held = TimeByBound::of(stages);
    match shortage {
        Shortage::None => held.most(),
        Shortage::Places => held.with_slot_as_cpu().most(),
        Shortage::Everything => held.with_slot_as_cpu().with_late_bytes_as_cpu(floor).most(),
    }
}
