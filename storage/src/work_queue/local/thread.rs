//! A thread that owns the state of a queue and runs the calls it is sent.

use std::io;
use std::sync::mpsc;
use std::thread::JoinHandle;

use frontier::work_queue::QueueError;
use tokio::sync::oneshot;

/// A call, to be run by the thread.
type Command<S> = Box<dyn FnOnce(&mut S) + Send>;

/// The thread. When this is dropped, the thread drops the state and ends.
pub(super) struct QueueThread<S> {
    /// `None` only while this is being dropped.
    commands: Option<mpsc::Sender<Command<S>>>,
    thread: Option<JoinHandle<()>>,
}

impl<S: Send + 'static> QueueThread<S> {
    /// Starts the thread. `guard` is dropped after the state.
    pub(super) fn start(mut state: S, guard: impl Send + 'static) -> io::Result<Self> {
        let (commands, received) = mpsc::channel::<Command<S>>();
        let thread = std::thread::Builder::new().name("queue".to_owned()).spawn(move || {
            for command in received {
                command(&mut state);
            }
            drop(state);
            drop(guard);
        });
        Ok(Self { commands: Some(commands), thread: Some(thread?) })
    }

    /// Sends `work` to the thread and returns the receiver of its answer.
    pub(super) fn send<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut S) -> Result<T, QueueError> + Send + 'static,
    ) -> Result<oneshot::Receiver<Result<T, QueueError>>, QueueError> {
        let (answer, answered) = oneshot::channel();
        let command: Command<S> = Box::new(move |state| {
            // The caller may have been dropped. The work stays done.
            let _ = answer.send(work(state));
        });
        self.commands.as_ref().ok_or_else(ended)?.send(command).map_err(|_| ended())?;
        Ok(answered)
    }
}

impl<S> Drop for QueueThread<S> {
    fn drop(&mut self) {
        self.commands = None;
        if let Some(thread) = self.thread.take() {
            // The join cannot fail, because sled's panics are caught where they occur.
            let _ = thread.join();
        }
    }
}

/// The error of a call that the queue can no longer answer.
pub(super) fn ended() -> QueueError {
    QueueError::Storage("the queue's thread has ended".to_owned())
}
