//! Decides what to fetch next, and when.
//!
//! The crate holds pure rules: no socket, no file, no clock. The current time is an argument. A seed names a host,
//! discovery gives the host its first tasks, the work queue leases hosts to a session, the schedule decides which
//! request may leave and when, and an outcome brings further tasks.

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
pub mod request;
pub mod robots;
pub mod schedule;
pub mod scope;
pub mod seed;
pub mod site;
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
pub use outcome::{DocumentKind, ErrorKind, FetchedDocument, Outcome, SkipReason, TaskOutcome};
pub use rate_limiter::RateLimiter;
pub use request::{NextStep, Pace, Purpose, Request, Step};
pub use robots::{RobotsRules, RobotsState};
pub use schedule::{Next, Schedule};
pub use scope::{Probe, Scope};
pub use seed::Seed;
pub use site::Site;
pub use stage::{Stage, Stages};
pub use task::{NewTask, Task, TaskId, TaskKind};
pub use timestamp::{Clock, Timestamp};
pub use validator::Validator;
pub use work_queue::WorkQueue;
