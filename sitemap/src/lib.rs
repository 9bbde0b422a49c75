//! Reads sitemaps and feeds: turns bytes into entries, children and problems.
//!
//! Formats: sitemaps.org `urlset` and `sitemapindex` with the news, image, video and alternate extensions, one URL
//! per line, RSS 2.0 and 1.0, Atom 1.0 and 0.3. The complete parts of a broken document are kept. Each thing that was
//! repaired, skipped or dropped is reported as a [`Problem`].
//!
//! # Pulling
//!
//! [`entries()`] turns anything that implements [`std::io::Read`] into an iterator. It removes gzip, and returns items
//! that own their texts while the document is still being read:
//!
//! ```
//! use sitemap::OwnedItem;
//!
//! let base = url::Url::parse("https://example.com/sitemap.xml")?;
//! let file = &b"<urlset><url><loc>https://example.com/</loc></url></urlset>"[..];
//! let mut entries = sitemap::entries(file, &base);
//! for item in &mut entries {
//!     match item? {
//!         OwnedItem::Entry(entry) => assert_eq!(entry.loc, "https://example.com/"),
//!         OwnedItem::Child(child) => println!("sitemap {}", child.loc),
//!         OwnedItem::Problem(problem) => eprintln!("{problem}"),
//!     }
//! }
//! assert!(entries.document().is_some_and(|document| document.entries == 1));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Pushing
//!
//! Where bytes arrive from elsewhere, such as an asynchronous client, or where entries need not be copied: an
//! [`Inflater`] removes gzip, and a [`DocumentReader`] detects the format and passes each entry to a [`Sink`] as soon
//! as its element closes. Both accept bytes in pieces of any size. [`read()`] combines them for a body that is
//! completely in memory.
//!
//! ```
//! use sitemap::{Child, DocumentReader, Entry, Limits, Problem, Sink};
//!
//! #[derive(Default)]
//! struct Longest(usize);
//! impl Sink for Longest {
//!     fn entry(&mut self, entry: &Entry<'_>) {
//!         self.0 = self.0.max(entry.loc.len());
//!     }
//!     fn child(&mut self, _: &Child<'_>) {}
//!     fn problem(&mut self, _: Problem) {}
//! }
//!
//! let base = url::Url::parse("https://example.com/sitemap.xml")?;
//! let mut longest = Longest::default();
//! let mut reader = DocumentReader::new(&base, Limits::default());
//! reader.push(b"<urlset><url><loc>https://exam", &mut longest)?;
//! reader.push(b"ple.com/</loc></url></urlset>", &mut longest)?;
//! let document = reader.finish(&mut longest);
//! assert_eq!((document.entries, longest.0), (1, 20));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The crate itself uses no thread, file, socket or clock.

// One document, from bytes to its summary.
mod body;
mod document;
mod document_kind;
mod entries;
mod read;
mod sink;

// From bytes to text, and the format of the text.
mod buffer;
mod detect;
mod encoding;
mod inflate;

// From text to elements.
mod attribute;
mod bad_bytes;
mod element;
mod markup;
mod namespace;
mod plain;
mod tree;

// The formats.
mod feed;
mod text;
mod xml;

// The output.
mod alternate;
mod child;
mod draft;
mod entry;
mod image;
mod item;
pub mod lastmod;
mod loc;
mod news;
mod output;
mod record;
mod video;
mod zone;

// Limits, and problems found.
pub mod limits;
mod problem;

pub use alternate::{Alternate, OwnedAlternate};
pub use buffer::Buffer;
pub use child::{Child, OwnedChild};
pub use document::{Document, DocumentEnd, DocumentReader, Stop};
pub use document_kind::DocumentKind;
pub use entries::{Entries, entries};
pub use entry::{Entry, OwnedEntry};
pub use image::{Image, OwnedImage};
pub use inflate::{InflateError, Inflated, Inflater};
pub use item::OwnedItem;
pub use limits::Limits;
pub use news::{News, OwnedNews};
pub use problem::{Problem, ProblemCounts, ProblemKind};
pub use read::read;
pub use sink::Sink;
pub use video::{ContentSegment, OwnedContentSegment, OwnedPrice, OwnedVideo, Price, Video};
