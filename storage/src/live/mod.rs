//! Reading a running crawl: its process answers questions over a Unix socket in the data directory, a page at a time.

mod address;
pub(crate) mod question;
mod reader;
mod server;

pub use self::reader::LiveReader;
pub use self::server::LiveServer;
