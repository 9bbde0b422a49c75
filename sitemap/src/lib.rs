//! Reads what sites publish about their pages: bytes in; entries, children and problems out.
//!
//! A raw body goes through an [`Inflater`], which takes gzip off, and then through a [`DocumentReader`], which finds out
//! what the document is and hands each entry to a [`Sink`] as it closes. Both take their bytes in pieces of any size and
//! use no thread, file, socket or clock; [`read()`] joins them for a body that is at hand. Formats: sitemaps.org `urlset`
//! and `sitemapindex` with the news, image, video and alternate extensions, a URL per line, RSS 2.0 and 1.0, Atom 1.0
//! and 0.3. A broken document gives what was whole in it, with a [`Problem`] for each thing kept or dropped.

// One document, from bytes to its outcome.
mod document;
mod read;

// Bytes to text, and what the text is.
mod buffer;
mod detect;
mod encoding;
mod inflate;

// Text to elements.
mod attribute;
mod markup;
mod namespace;
mod plain;
mod tree;

// The formats.
mod feed;
mod text;
mod xml;

// What comes out.
mod alternate;
mod child;
mod draft;
mod entry;
mod image;
pub mod lastmod;
mod loc;
mod news;
mod output;
mod record;
mod video;

// What was wrong, and how much is allowed.
pub mod limits;
mod problem;

pub use alternate::Alternate;
pub use buffer::Buffer;
pub use child::Child;
pub use document::{Document, DocumentEnd, DocumentKind, DocumentReader, Sink, Stop};
pub use entry::Entry;
pub use image::Image;
pub use inflate::{InflateError, Inflated, Inflater};
pub use limits::Limits;
pub use news::News;
pub use problem::{Problem, ProblemCounts, ProblemKind};
pub use read::read;
pub use video::{ContentSegment, Price, Video};
