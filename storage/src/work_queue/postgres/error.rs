//! What can go wrong with a shared store, in words for people, and what passes by itself.

use std::error::Error as _;
use std::fmt::Write as _;

use deadpool_postgres::{HookError, PoolError};
use frontier::work_queue::QueueError;
use tokio_postgres::error::SqlState;

use crate::codec::CodecError;

/// Why a shared store could not be opened, or its tables not be read or changed. Nothing is half made.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The address is none, or asks for what there is not.
    #[error("the store's address is wrong: {0}")]
    Address(String),
    /// Root certificates could not be read.
    #[error("failed to read root certificates from {path}: {reason}")]
    RootCertificates {
        /// The file, or `the system`.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No server answers there, or it could not be trusted.
    #[error("failed to connect to {place}: {reason}")]
    Unreachable {
        /// The server, without a password.
        place: String,
        /// What came of it.
        reason: String,
    },
    /// The server does not let this user in.
    #[error("{place} refuses the user or the password: {reason}")]
    Refused {
        /// The server.
        place: String,
        /// Its own words.
        reason: String,
    },
    /// There is no such database.
    #[error("{place}: {reason}; create it first, for example with `createdb`")]
    NoDatabase {
        /// The server.
        place: String,
        /// Its own words.
        reason: String,
    },
    /// The server lacks what the queue needs.
    #[error("{place} runs PostgreSQL {found}, a shared crawl needs {needed} or later")]
    TooOld {
        /// The server.
        place: String,
        /// Its version.
        found: String,
        /// The oldest that will do.
        needed: i32,
    },
    /// A standby, or a database made read-only.
    #[error(
        "{place} takes no writes: it is a standby or read-only; name the primary, or all servers of the group"
    )]
    ReadOnly {
        /// The server.
        place: String,
    },
    /// The database holds something else.
    #[error(
        "{place} holds other tables and no crawl ({tables}); a shared crawl needs a database or a schema of its own"
    )]
    Foreign {
        /// The server.
        place: String,
        /// Some of them.
        tables: String,
    },
    /// The tables are of another release.
    #[error(
        "{place} has tables of version {found}, this release knows up to {known}; use the newer release on every machine"
    )]
    Newer {
        /// The server.
        place: String,
        /// Their version.
        found: i32,
        /// The newest version that is known here.
        known: i32,
    },
    /// The user may not do what is needed.
    #[error("{place}: the user lacks a right: {what}")]
    MissingRights {
        /// The server.
        place: String,
        /// What may not be done.
        what: String,
    },
    /// No crawl has that name.
    #[error("no crawl {name:?} in {place}; there {known}")]
    NoCrawl {
        /// The server.
        place: String,
        /// The name.
        name: String,
        /// Those that there are.
        known: String,
    },
    /// Anything else.
    #[error("{place}: {reason}")]
    Failed {
        /// The server.
        place: String,
        /// What came of it.
        reason: String,
    },
}

/// Why a call came to nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// An answer of the queue: trying again would not change it.
    #[error(transparent)]
    Queue(#[from] QueueError),
    #[error("{}", with_causes(.0))]
    Postgres(#[from] tokio_postgres::Error),
    #[error("{}", of_pool(.0))]
    Pool(#[from] PoolError),
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// A row cannot be what was written.
    #[error("{0}")]
    Damaged(String),
}

impl Failure {
    /// Whether another try may succeed: the server is away or starting, another primary is being chosen, or another
    /// transaction was in the way.
    pub(super) fn passes(&self) -> bool {
        let Some(error) = self.word_of_the_server() else {
            return matches!(self, Self::Pool(PoolError::Timeout(_)));
        };
        match error.code() {
            Some(code) => PASSING.contains(code) || code.code().starts_with("08"),
            // Not the server's word: the connection broke, or could not be made.
            None => error.is_closed() || is_of_the_network(error),
        }
    }

    /// The client's error, where it is one.
    fn word_of_the_server(&self) -> Option<&tokio_postgres::Error> {
        match self {
            Self::Postgres(error)
            | Self::Pool(PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error))) => {
                Some(error)
            }
            _ => None,
        }
    }

    /// The answer of a queue.
    pub(super) fn into_queue_error(self, place: &str) -> QueueError {
        match self {
            Self::Queue(error) => error,
            other => QueueError::Storage(format!("{place}: {other}")),
        }
    }

    /// The same for what is done before there is a queue.
    pub(super) fn into_store_error(self, place: &str) -> StoreError {
        let (place, reason) = (place.to_owned(), self.to_string());
        let Some(error) = self.word_of_the_server() else {
            return match self {
                Self::Pool(PoolError::Timeout(_)) => StoreError::Unreachable { place, reason },
                _ => StoreError::Failed { place, reason },
            };
        };
        match error.code() {
            Some(code) if *code == SqlState::INSUFFICIENT_PRIVILEGE => {
                StoreError::MissingRights { place, what: reason }
            }
            Some(code) if *code == SqlState::INVALID_CATALOG_NAME => StoreError::NoDatabase { place, reason },
            Some(code) if *code == SqlState::READ_ONLY_SQL_TRANSACTION => StoreError::ReadOnly { place },
            Some(code) if code.code().starts_with("28") => StoreError::Refused { place, reason },
            Some(code) if PASSING.contains(code) => StoreError::Unreachable { place, reason },
            Some(_) => StoreError::Failed { place, reason },
            None if is_no_writes(error) => StoreError::ReadOnly { place },
            None if reason.contains("password") => StoreError::Refused { place, reason },
            None => StoreError::Unreachable { place, reason },
        }
    }
}

/// What the server says while it is away, busy, or about to be replaced, and when two transactions met.
const PASSING: [SqlState; 11] = [
    SqlState::T_R_SERIALIZATION_FAILURE,
    SqlState::T_R_DEADLOCK_DETECTED,
    SqlState::LOCK_NOT_AVAILABLE,
    // Two commits brought the same host.
    SqlState::UNIQUE_VIOLATION,
    SqlState::ADMIN_SHUTDOWN,
    SqlState::CRASH_SHUTDOWN,
    SqlState::CANNOT_CONNECT_NOW,
    SqlState::TOO_MANY_CONNECTIONS,
    // The primary has become a standby.
    SqlState::READ_ONLY_SQL_TRANSACTION,
    SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
    SqlState::QUERY_CANCELED,
];

fn is_of_the_network(error: &tokio_postgres::Error) -> bool {
    error.source().is_some_and(|cause| cause.is::<std::io::Error>())
}

/// The client's own refusal of a server that it must be able to write to.
fn is_no_writes(error: &tokio_postgres::Error) -> bool {
    error.source().and_then(|cause| cause.downcast_ref::<std::io::Error>()).is_some_and(|error| {
        error.kind() == std::io::ErrorKind::PermissionDenied && error.to_string().contains("writes")
    })
}

fn of_pool(error: &PoolError) -> String {
    match error {
        PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error)) => {
            with_causes(error)
        }
        PoolError::Timeout(_) => "it did not answer in time".to_owned(),
        other => other.to_string(),
    }
}

/// The client says only of which kind an error is.
fn with_causes(error: &tokio_postgres::Error) -> String {
    if let Some(error) = error.as_db_error() {
        let mut text = error.message().to_owned();
        if let Some(detail) = error.detail() {
            let _ = write!(text, " ({detail})");
        }
        return text;
    }
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            let _ = write!(text, ": {more}");
        }
        cause = error.source();
    }
    text
}
