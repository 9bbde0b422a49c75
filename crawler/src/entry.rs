//! An entry of a sitemap, with where it was found.

use std::sync::Arc;

use arrow_array::RecordBatch;
use frontier::Timestamp;
use sitemap::OwnedEntry;
use storage::{BatchView, Row};

use crate::error::Error;

/// An entry of a sitemap, with where it was found.
#[derive(Clone, PartialEq, Debug)]
pub struct Entry {
    /// The entry as it was published. Its URL is normalised.
    pub published: OwnedEntry,
    /// Final URL of the document that contains it.
    pub sitemap: Arc<str>,
    /// Origin of the host that named the document.
    pub host: Arc<str>,
    /// `same-host`, `robots` or `foreign`, see [`storage::EntryScope`].
    pub scope: Arc<str>,
    /// When the document was fetched.
    pub fetched_at: Timestamp,
}

impl Entry {
    /// The URL.
    pub fn loc(&self) -> &str {
        &self.published.loc
    }
}

/// The entries in `batches`, one batch at a time.
pub(crate) fn entries(
    batches: impl Iterator<Item = Result<RecordBatch, Error>>,
) -> impl Iterator<Item = Result<Entry, Error>> {
    batches.flat_map(|batch| {
        let (entries, error) = match batch.and_then(|batch| entries_of(&batch)) {
            Ok(entries) => (entries, None),
            Err(error) => (Vec::new(), Some(Err(error))),
        };
        entries.into_iter().map(Ok).chain(error)
    })
}

fn entries_of(batch: &RecordBatch) -> Result<Vec<Entry>, Error> {
    let view = BatchView::new(batch)?;
    let mut shared = SharedTexts::default();
    Ok(view.rows().map(|row| Entry::of(&row, &mut shared)).collect())
}

/// The last texts of each column whose texts nearly all rows of a batch have in common.
#[derive(Default)]
struct SharedTexts {
    sitemap: Arc<str>,
    host: Arc<str>,
    scope: Arc<str>,
}

impl Entry {
    fn of(row: &Row<'_>, shared: &mut SharedTexts) -> Self {
        Self {
            published: OwnedEntry::from(&row.entry),
            sitemap: share(&mut shared.sitemap, row.sitemap),
            host: share(&mut shared.host, row.host),
            scope: share(&mut shared.scope, row.scope),
            fetched_at: row.fetched_at,
        }
    }
}

/// `text`, which replaces `last` if it differs.
fn share(last: &mut Arc<str>, text: &str) -> Arc<str> {
    if **last != *text {
        *last = text.into();
    }
    last.clone()
}
