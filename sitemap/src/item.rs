//! One thing that a document contains, in its owned form.

use crate::child::{Child, OwnedChild};
use crate::entry::{Entry, OwnedEntry};
use crate::problem::Problem;
use crate::sink::Sink;

/// An entry, child or problem of a document, which owns its texts.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "nearly all items are entries, so a box would save no memory")]
pub enum OwnedItem {
    /// One URL of the document.
    Entry(OwnedEntry),
    /// One nested sitemap of the document.
    Child(OwnedChild),
    /// Something wrong with the document. A document has at most [`Limits::problems`](crate::Limits::problems).
    Problem(Problem),
}

/// Stores the contents of a document in document order.
impl Sink for Vec<OwnedItem> {
    fn entry(&mut self, entry: &Entry<'_>) {
        self.push(OwnedItem::Entry(entry.into()));
    }

    fn child(&mut self, child: &Child<'_>) {
        self.push(OwnedItem::Child(child.into()));
    }

    fn problem(&mut self, problem: Problem) {
        self.push(OwnedItem::Problem(problem));
    }
}
