//! Measures the stages of one request, from name resolution to the last byte.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use frontier::{Clock, Connection, Stage, Stages, Timestamp};

use crate::cpu_meter::IS_MEASURED;

tokio::task_local! {
    /// The stopwatch of the request that the current task makes. The resolver, the connector and the TLS session store
    /// read it here, because they cannot be given an argument.
    pub static STOPWATCH: Arc<Stopwatch>;
}

/// Measures one request. At any time exactly one stage is running.
///
/// It needs a lock, because resolver and connector may outlive the request in a task of the connection pool. The lock is
/// never held across an await, and never for longer than an addition.
pub struct Stopwatch {
    clock: Arc<dyn Clock>,
    laps: Mutex<Laps>,
}

struct Laps {
    stages: Stages,
    running: Stage,
    since: Timestamp,
    connected: bool,
}

impl Stopwatch {
    /// Starts in stage `first_byte`, which is the right one if an open connection is reused. `clock` measures all stages.
    pub fn start(clock: Arc<dyn Clock>) -> Arc<Self> {
        let laps = Laps {
            stages: Stages::default(),
            running: Stage::FirstByte,
            since: clock.now(),
            connected: false,
        };
        Arc::new(Self { clock, laps: Mutex::new(laps) })
    }

    /// Ends the running stage and begins `stage`. Returns how long the ended stage ran.
    pub fn enter(&self, stage: Stage) -> Duration {
        self.with(|laps, clock| laps.enter(stage, clock))
    }

    /// A new connection is ready for this request.
    pub fn connected(&self) {
        self.with(|laps, clock| {
            laps.enter(Stage::FirstByte, clock);
            laps.connected = true;
        });
    }

    /// The running stage, and how long it has been running.
    pub fn running(&self) -> (Stage, Duration) {
        self.with(|laps, clock| (laps.running, clock.now().since(laps.since)))
    }

    /// The head of the response has arrived. If no connection was finished for this request, the response came over an older
    /// connection, and the pool's work on a new one does not count as a stage of the request.
    pub fn answered(&self) -> Connection {
        self.with(|laps, clock| {
            if !laps.connected {
                laps.fold_into_first_byte(clock);
            }
            laps.enter(Stage::Body, clock);
            if laps.connected { Connection::New } else { Connection::Reused }
        })
    }

    /// Ends the running stage and returns all stages.
    pub fn stop(&self) -> Stages {
        self.with(|laps, clock| {
            laps.enter(laps.running, clock);
            laps.stages
        })
    }

    fn with<T>(&self, f: impl FnOnce(&mut Laps, &dyn Clock) -> T) -> T {
        f(&mut self.laps.lock().unwrap_or_else(PoisonError::into_inner), &*self.clock)
    }
}

impl Laps {
    fn enter(&mut self, stage: Stage, clock: &dyn Clock) -> Duration {
        if !IS_MEASURED {
            return Duration::ZERO;
        }
        let now = clock.now();
        let ran = now.since(self.since);
        self.stages.add(self.running, ran);
        self.running = stage;
        self.since = now;
        ran
    }

    /// Called when another connection became free while a new one was being made: the time spent on the new one was waiting
    /// time.
    fn fold_into_first_byte(&mut self, clock: &dyn Clock) {
        self.enter(Stage::FirstByte, clock);
        for stage in [Stage::Dns, Stage::Connect, Stage::Tls] {
            self.stages[Stage::FirstByte] += std::mem::take(&mut self.stages[stage]);
        }
    }
}

/// Begins `stage` of the request that the current task makes, if it makes one.
pub fn mark(stage: Stage) {
    if IS_MEASURED {
        let _ = STOPWATCH.try_with(|stopwatch| stopwatch.enter(stage));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;

    #[test]
    fn a_new_connection_shows_every_stage() {
        let watch = Stopwatch::start(Arc::new(SystemClock::new()));
        watch.enter(Stage::Dns);
        std::thread::sleep(Duration::from_millis(2));
        watch.enter(Stage::Connect);
        watch.enter(Stage::Tls);
        watch.connected();
        assert_eq!(watch.answered(), Connection::New);
        let stages = watch.stop();
        assert!(stages[Stage::Dns] >= 2_000);
    }

    #[test]
    fn a_reused_connection_shows_none_of_dns_connect_and_tls() {
        let watch = Stopwatch::start(Arc::new(SystemClock::new()));
        watch.enter(Stage::Dns);
        std::thread::sleep(Duration::from_millis(2));
        assert_eq!(watch.answered(), Connection::Reused);
        let stages = watch.stop();
        assert_eq!(stages[Stage::Dns] + stages[Stage::Connect] + stages[Stage::Tls], 0);
        assert!(stages[Stage::FirstByte] >= 2_000);
    }
}
