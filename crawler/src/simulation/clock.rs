//! Virtual time: a clock that jumps to the next moment that anything waits for, as soon as nothing can run.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use frontier::{Clock, Timestamp};
use tokio::runtime::Builder;
use tokio::sync::Notify;

/// A clock whose time passes only while nothing can run.
#[derive(Debug)]
pub struct VirtualClock {
    // A lock, because a clock is shared between threads by its type. Simulations use one thread, so it is always free.
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    now: Timestamp,
    /// Number of sleeps so far. It orders those that end at the same moment.
    sleeps: u64,
    sleepers: BTreeMap<(Timestamp, u64), Waker>,
}

/// Nothing could run and nothing waited for a moment, so the simulation could not end.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the simulation stalled at {at}")]
pub struct Stalled {
    /// When that was.
    pub at: Timestamp,
}

impl VirtualClock {
    /// Creates a clock that shows `now`.
    pub fn at(now: Timestamp) -> Arc<Self> {
        Arc::new(Self { state: Mutex::new(State { now, sleeps: 0, sleepers: BTreeMap::new() }) })
    }

    /// Lets `span` pass between two runs.
    pub fn advance(&self, span: Duration) {
        let mut state = self.state();
        state.now = state.now + span;
    }

    /// Runs `main` to its end on this thread. Then drops every task that it has spawned, wherever that task is, as if the
    /// process had been killed.
    ///
    /// Nothing may wait for another thread, for the network or for the timers of tokio, which are switched off: in such a wait
    /// nothing can run, so the clock would jump. Fails if `main` can never end, and with an I/O error if there is no memory for
    /// a runtime.
    pub fn run<T>(self: &Arc<Self>, main: impl Future<Output = T>) -> std::io::Result<Result<T, Stalled>> {
        let (clock, stalled) = (self.clone(), Arc::new(Notify::new()));
        let notify = stalled.clone();
        let jump = move || {
            if !clock.jump() {
                notify.notify_one();
            }
        };
        // Called when no task is ready. A task that is woken by then is run instead of parking the thread.
        let runtime = Builder::new_current_thread().on_thread_park(jump).build()?;
        Ok(runtime.block_on(async {
            tokio::select! {
                biased;
                output = main => Ok(output),
                () = stalled.notified() => Err(Stalled { at: self.now() }),
            }
        }))
    }

    /// Jumps to the earliest moment that is waited for, and wakes all that wait for it. Returns whether there was one.
    fn jump(&self) -> bool {
        let mut state = self.state();
        let Some((&(moment, _), _)) = state.sleepers.first_key_value() else { return false };
        let later = state.sleepers.split_off(&(moment, u64::MAX));
        let woken = std::mem::replace(&mut state.sleepers, later);
        state.now = state.now.max(moment);
        // Waking may drop a task that waits for this clock too.
        drop(state);
        woken.into_values().for_each(Waker::wake);
        true
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A poisoned lock is safe to use, because nothing that can panic runs while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        self.state().now
    }

    fn sleep_until(&self, moment: Timestamp) -> impl Future<Output = ()> + Send {
        Sleep { clock: self, moment, number: None }
    }
}

/// Waits until the clock shows `moment`.
struct Sleep<'a> {
    clock: &'a VirtualClock,
    moment: Timestamp,
    /// Its number among the sleepers, once it has been polled.
    number: Option<u64>,
}

impl Future for Sleep<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let clock = self.clock;
        let mut state = clock.state();
        if state.now >= self.moment {
            return Poll::Ready(());
        }
        let number = *self.number.get_or_insert_with(|| {
            state.sleeps += 1;
            state.sleeps
        });
        state.sleepers.insert((self.moment, number), cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep<'_> {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            let waker = self.clock.state().sleepers.remove(&(self.moment, number));
            drop(waker);
        }
    }
}
