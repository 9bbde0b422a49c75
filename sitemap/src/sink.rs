//! The receiver of the entries, children and problems of a document.

use crate::child::Child;
use crate::entry::Entry;
use crate::problem::Problem;

/// Receives the contents of a document in document order, while it is being read.
///
/// ```
/// use sitemap::{Child, Entry, Limits, Problem, Sink};
///
/// #[derive(Default)]
/// struct Locs(Vec<String>);
/// impl Sink for Locs {
///     fn entry(&mut self, entry: &Entry<'_>) {
///         self.0.push(entry.loc.to_owned());
///     }
///     fn child(&mut self, _: &Child<'_>) {}
///     fn problem(&mut self, _: Problem) {}
/// }
///
/// let base = url::Url::parse("https://example.com/sitemap.txt")?;
/// let mut locs = Locs::default();
/// sitemap::read(b"https://example.com/a\nhttps://example.com/b\n", &base, Limits::default(), &mut locs);
/// assert_eq!(locs.0, ["https://example.com/a", "https://example.com/b"]);
/// # Ok::<(), url::ParseError>(())
/// ```
pub trait Sink {
    /// One URL of the document.
    fn entry(&mut self, entry: &Entry<'_>);
    /// One nested sitemap of the document.
    fn child(&mut self, child: &Child<'_>);
    /// Something wrong with the document. Called at most [`Limits::problems`](crate::Limits::problems) times a
    /// document.
    fn problem(&mut self, problem: Problem);
}
