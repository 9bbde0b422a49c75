//! State shared by all connections of a server.

use std::sync::Arc;

use crate::log::Log;
use crate::web::Web;

use super::authority::Authority;
use super::options::ServeOptions;

/// State shared by all connections of a server.
pub(crate) struct Shared {
    pub(crate) web: Web,
    pub(crate) options: ServeOptions,
    pub(crate) log: Arc<Log>,
    pub(crate) authority: Arc<Authority>,
}
