//! The PostgreSQL queue against a real server.

mod columns;
mod conformance;
mod failures;
mod opening;
mod rivals;
mod support;
