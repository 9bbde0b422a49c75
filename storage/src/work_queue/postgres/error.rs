//! Errors of a shared store, and which of them are transient.

use std::error::Error as _;
use std::fmt::Write as _;

use deadpool_postgres::{HookError, PoolError};
use frontier::work_queue::QueueError;
use tokio_postgres::error::SqlState;

use crate::codec::CodecError;

/// Why a shared store could not be opened, or its tables could not be read or changed. No change is left incomplete.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The address is invalid or has unsupported options.
    #[error("invalid store address: {0}")]
    Address(String),
    /// Root certificates could not be read.
    #[error("failed to read root certificates from {path}: {reason}")]
    RootCertificates {
        /// The file, or `the system`.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No server answers, or its certificate was rejected.
    #[error("failed to connect to {place}: {reason}")]
    Unreachable {
        /// The server, without a password.
        place: String,
        /// The cause.
        reason: String,
    },
    /// The server rejected the user or the password.
    #[error("{place} refuses the user or the password: {reason}")]
    Refused {
        /// The server.
        place: String,
        /// The server's message.
        reason: String,
    },
    /// The database does not exist.
    #[error("{place}: {reason}; create it first, for example with `createdb`")]
    NoDatabase {
        /// The server.
        place: String,
        /// The server's message.
        reason: String,
    },
    /// The server's version is too old.
    #[error("{place} runs PostgreSQL {found}, a shared crawl needs {needed} or later")]
    TooOld {
        /// The server.
        place: String,
        /// Its version.
        found: String,
        /// The oldest supported version.
        needed: i32,
    },
    /// The server is a standby, or the database is read-only.
    #[error(
        "{place} does not accept writes: it is a standby or read-only; give the address of the primary, or of all servers"
    )]
    ReadOnly {
        /// The server.
        place: String,
    },
    /// The database has tables of another application.
    #[error(
        "{place} holds other tables and no crawl ({tables}); a shared crawl needs a database or a schema of its own"
    )]
    Foreign {
        /// The server.
        place: String,
        /// Names of some of them.
        tables: String,
    },
    /// The tables were created by a newer release.
    #[error(
        "{place} has tables of version {found}, this release knows up to {known}; use the newer release on every machine"
    )]
    Newer {
        /// The server.
        place: String,
        /// Version of the tables.
        found: i32,
        /// The newest version that this release supports.
        known: i32,
    },
    /// An older release created the tables.
    #[error(
        "{place} has tables of version {found}, this release needs version {known}; start the crawl again in a new \
         database, or finish it with the release that began it"
    )]
    Older {
        /// The server.
        place: String,
        /// Version of the tables.
        found: i32,
        /// The version that this release reads and writes.
        known: i32,
    },
    /// The user lacks a required privilege.
    #[error("{place}: the user lacks a privilege: {what}")]
    MissingRights {
        /// The server.
        place: String,
        /// The missing privilege.
        what: String,
    },
    /// No crawl has that name.
    #[error("no crawl {name:?} in {place}; {known}")]
    NoCrawl {
        /// The server.
        place: String,
        /// The name.
        name: String,
        /// The existing crawls.
        known: String,
    },
    /// Any other error.
    #[error("{place}: {reason}")]
    Failed {
        /// The server.
        place: String,
        /// The cause.
        reason: String,
    },
}

/// Why one try of a call failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// An error of the queue itself, which another try would not change.
    #[error(transparent)]
    Queue(#[from] QueueError),
    #[error("{}", error_text(.0))]
    Postgres(#[from] tokio_postgres::Error),
    #[error("{}", pool_error_text(.0))]
    Pool(#[from] PoolError),
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// The database has a row that no worker wrote, or lacks one.
    #[error("{0}")]
    Damaged(String),
    /// A statement was run without a value for one of its parameters.
    #[error("a statement lacks a value for {0}")]
    NoValue(&'static str),
}

impl Failure {
    /// A row of `table` lacks `column`, or has an invalid value there.
    pub(super) fn damaged(table: &str, column: &str) -> Self {
        Self::Damaged(format!("table {table} has an invalid or missing {column}"))
    }

    /// A value cannot be converted to the type of ours, for example because it is NULL.
    pub(super) fn unreadable(table: &str, column: &str, error: &tokio_postgres::Error) -> Self {
        Self::Damaged(format!("table {table} has an invalid {column}: {}", error_text(error)))
    }

    /// Whether another try may succeed: the server is unavailable or starting, another primary is being elected, or
    /// there was a conflict with another transaction.
    pub(super) fn is_transient(&self) -> bool {
        let Some(error) = self.postgres_error() else {
            return matches!(self, Self::Pool(PoolError::Timeout(_)));
        };
        match error.code() {
            Some(code) => TRANSIENT.contains(code) || code.code().starts_with("08"),
            // Not an error from the server: the connection broke or could not be established.
            None => error.is_closed() || is_network_error(error),
        }
    }

    /// The error of the PostgreSQL client, if it is one.
    fn postgres_error(&self) -> Option<&tokio_postgres::Error> {
        match self {
            Self::Postgres(error)
            | Self::Pool(PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error))) => {
                Some(error)
            }
            _ => None,
        }
    }

    /// Converts this to an error of the queue.
    pub(super) fn into_queue_error(self, place: &str) -> QueueError {
        match self {
            Self::Queue(error) => error,
            other => QueueError::Storage(format!("{place}: {other}")),
        }
    }

    /// Converts this to an error of the store, for calls other than those of the queue.
    pub(super) fn into_store_error(self, place: &str) -> StoreError {
        let (place, reason) = (place.to_owned(), self.to_string());
        let Some(error) = self.postgres_error() else {
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
            Some(code) if TRANSIENT.contains(code) => StoreError::Unreachable { place, reason },
            Some(_) => StoreError::Failed { place, reason },
            None if is_read_only_refusal(error) => StoreError::ReadOnly { place },
            None if reason.contains("password") => StoreError::Refused { place, reason },
            None => StoreError::Unreachable { place, reason },
        }
    }
}

/// Error codes of a server that is unavailable, busy or about to be replaced, and of conflicts between transactions.
const TRANSIENT: [SqlState; 11] = [
    SqlState::T_R_SERIALIZATION_FAILURE,
    SqlState::T_R_DEADLOCK_DETECTED,
    SqlState::LOCK_NOT_AVAILABLE,
    // Two commits inserted the same host.
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

fn is_network_error(error: &tokio_postgres::Error) -> bool {
    error.source().is_some_and(|cause| cause.is::<std::io::Error>())
}

/// Whether the client rejected a server because it does not accept writes. If the operating system refuses, the error has
/// a code.
fn is_read_only_refusal(error: &tokio_postgres::Error) -> bool {
    error.source().and_then(|cause| cause.downcast_ref::<std::io::Error>()).is_some_and(|error| {
        error.kind() == std::io::ErrorKind::PermissionDenied && error.raw_os_error().is_none()
    })
}

fn pool_error_text(error: &PoolError) -> String {
    match error {
        PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error)) => error_text(error),
        PoolError::Timeout(_) => "it did not answer in time".to_owned(),
        other => other.to_string(),
    }
}

/// The error with all its causes. The client's own text gives only the kind of the error.
fn error_text(error: &tokio_postgres::Error) -> String {
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
