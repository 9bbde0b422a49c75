//! Calls asynchronous code from blocking code.

use std::io;

use tokio::runtime::{Handle, Runtime};

use crate::error::Error;

/// Runs futures to completion on the current tokio runtime. Outside a runtime it starts one of its own.
///
/// It must be used on a thread that may block: outside of a runtime, or in `spawn_blocking`.
pub(crate) struct Blocking {
    handle: Handle,
    _own: Option<Runtime>,
}

impl Blocking {
    /// Finds the current runtime, or starts one.
    pub fn new() -> Result<Self, Error> {
        if let Ok(handle) = Handle::try_current() {
            return Ok(Self { handle, _own: None });
        }
        let own: io::Result<Runtime> = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        let own = own.map_err(Error::Start)?;
        Ok(Self { handle: own.handle().clone(), _own: Some(own) })
    }

    /// The runtime.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Runs `future` to its end.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.handle.block_on(future)
    }
}
