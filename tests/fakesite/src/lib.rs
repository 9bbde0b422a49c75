//! A fake web on loopback for tests, the demo and benchmarks. One port serves many hosts over http and https,
//! HTTP/1.1 and HTTP/2, with certificates issued on demand, configurable latency, and named misbehaviours.
//!
//! A [`Web`] is a set of [`Site`]s, and a site is a set of [`Page`]s. [`Web::serve`] starts it on a separate thread and
//! returns a [`Server`] with its port, the certificate that clients must trust, and a log of every request. A client
//! reaches all hosts by sending every connection to that port, as `--connect-to ::127.0.0.1:PORT` does.
//!
//! ```
//! use fakesite::{Misbehaviour, Page, ServeOptions, Site, Web};
//!
//! let site = Site::new()
//!     .robots("Sitemap: https://www.example.com/sitemap.xml\n")
//!     .page("/sitemap.xml", Page::xml("<urlset/>"))
//!     .page("/flaky.xml", Page::xml("<urlset/>").misbehaves(Misbehaviour::StatusThenOk { status: 503, times: 1 }));
//! let server = Web::new().host("www.example.com", site).serve(ServeOptions::default())?;
//! assert_ne!(server.port(), 0);
//! assert!(server.log().is_empty());
//! # Ok::<(), fakesite::ServeError>(())
//! ```

mod full_backlog;
mod latency;
mod log;
mod misbehaviour;
mod name_server;
mod page;
mod request;
mod server;
mod stable_hash;
mod web;

mod bomb;
pub mod holding;
pub mod hostile;
pub mod news;
pub mod plain;

pub use full_backlog::FullBacklog;
pub use latency::{Latency, ParseLatencyError};
pub use log::{LoggedConnection, LoggedRequest};
pub use misbehaviour::{Misbehaviour, TlsMisbehaviour};
pub use name_server::{NameServer, Query};
pub use page::Page;
pub use request::{Request, Scheme};
pub use server::{ServeError, ServeOptions, Server};
pub use web::{Site, Web};
