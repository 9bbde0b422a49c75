//! Decides what to fetch next and when.
//!
//! Pure rules: no socket, no file, no clock of its own; the present moment is an argument. The line through this
//! room: a seed line names a host, discovery gives the host its first tasks, the work queue lends hosts to a
//! session, the schedule says which request may leave when, and an outcome brings further tasks.

pub mod account;
pub mod answer;
pub mod backoff;
pub mod bounds;
pub mod conclude;
pub mod discovery;
mod due_times;
pub mod fetch_record;
pub mod host;
mod host_queue;
pub mod normal_url;
pub mod outcome;
pub mod politeness;
pub mod rate_limiter;
pub mod robots;
pub mod schedule;
pub mod scope;
pub mod seed;
pub mod stage;
pub mod task;
pub mod timestamp;
pub mod validator;
pub mod work_queue;

pub use account::Account;
pub use answer::{Answer, DocumentSummary};
pub use conclude::{Conclusion, Context, Rows, conclude};
pub use fetch_record::{Connection, FetchRecord, RequestKind, SessionId};
pub use host::{Host, HostId, Scheme};
pub use normal_url::normal_url;
pub use outcome::{ErrorKind, FetchedDocument, Outcome, SkipReason, TaskOutcome};
pub use rate_limiter::RateLimiter;
pub use robots::{RobotsRules, RobotsState};
pub use schedule::{Next, NextStep, Pace, Request, Schedule};
pub use scope::{Probe, Scope};
pub use seed::Seed;
pub use stage::{Stage, Stages};
pub use task::{NewTask, Task, TaskId, TaskKind};
pub use timestamp::{Clock, Timestamp};
pub use validator::Validator;
pub use work_queue::WorkQueue;
