//! Runs the engine in virtual time, against a made-up web.
//!
//! A simulated crawl differs from a real one in its [`Environment`] alone. Engine, recorder, queue and web share one thread,
//! and time passes only when none of them can run. A week of a crawl takes seconds, and no two of its moments depend on how
//! fast the machine is.

mod clock;
mod web;

use std::marker::PhantomData;
use std::sync::Arc;

use frontier::work_queue::{QueueError, Session};
use frontier::{NewTask, WorkQueue};
use storage::{MemorySegments, MemoryWriter, Scratch};

use crate::cpu_meter::CpuMeter;
use crate::engine::environment::{Environment, Services};
use crate::engine::jitter::Jitter;
use crate::engine::lease_deadline::LeaseDeadline;
use crate::engine::seeding::{SeedSource, SeedsError};
use crate::engine::session::OpenSession;

pub use clock::{Stalled, VirtualClock};
pub use web::{Exchange, Fault, Reply, SimulatedWeb, Sites};

/// What a simulated crawl runs on: virtual time, the made-up web `S`, segments in memory, and any queue that neither blocks nor
/// uses another thread.
pub struct Simulated<Q, S>(PhantomData<(Q, S)>);

impl<Q: WorkQueue, S: Sites> Environment for Simulated<Q, S> {
    type Queue = Q;
    type Seeds = GivenSeeds;
    type Writer = MemoryWriter;
    type Fetch = SimulatedWeb<S>;
    type Clock = VirtualClock;
}

/// Opens a session of a simulated crawl and adds `seeds`. Its retries are spread by `jitter`. The same jitter leads to the same
/// session if the queue, the segments and the web are the same too.
pub async fn open_session<Q: WorkQueue, S: Sites>(
    queue: Arc<Q>,
    segments: &MemorySegments,
    web: SimulatedWeb<S>,
    seeds: &[NewTask],
    jitter: Jitter,
) -> Result<OpenSession<Simulated<Q, S>>, QueueError> {
    let (clock, meter) = (web.clock(), Arc::new(CpuMeter::off()));
    let session = queue.open_session("simulation").await?;
    let seeds = GivenSeeds(seeds.to_vec());
    let lease_deadline = LeaseDeadline::new(queue.renew(&session).await?);
    let (writer, scratch) = (segments.writer(session.id), Scratch::in_memory());
    let services = Services { queue, writer, fetch: web, clock };
    Ok(OpenSession { services, session, seq: 0, seeds, scratch, meter, lease_deadline, jitter })
}

/// The seeds of a simulated crawl. Every session adds all of them again.
pub struct GivenSeeds(Vec<NewTask>);

impl SeedSource for GivenSeeds {
    async fn next(&mut self, n: usize) -> Result<Vec<NewTask>, SeedsError> {
        let rest = self.0.split_off(n.min(self.0.len()));
        Ok(std::mem::replace(&mut self.0, rest))
    }

    async fn added(&mut self, _: &Session, _: u64) -> Result<(), SeedsError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
