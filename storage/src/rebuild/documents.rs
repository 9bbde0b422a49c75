//! The documents of a sealed segment, as they are added to a new queue.

use std::fs::File;
use std::path::Path;

use frontier::{
    DocumentKind, FetchedDocument, Host, NewTask, Outcome, Task, TaskId, TaskKind, TaskOutcome, Timestamp,
};
use url::Url;

use super::RebuildError;
use crate::segment::batch_view::BatchView;
use crate::segment::error::ReadError;
use crate::segment::sealed::{self, Extent, SealedDocument, SealedReader};

/// A document of a segment.
pub(super) struct Document {
    sealed: SealedDocument,
    host: Host,
    sitemap: String,
    pub(super) fetched_at: Timestamp,
}

impl Document {
    /// `None` if `origin` is invalid or is not the host of the task.
    pub(super) fn new(
        sealed: SealedDocument,
        origin: &str,
        sitemap: &str,
        fetched_at: Timestamp,
    ) -> Option<Self> {
        let host = Host::of(&Url::parse(origin).ok()?)?;
        let is_own = host.id() == sealed.task.host;
        is_own.then(|| Self { sealed, host, sitemap: sitemap.to_owned(), fetched_at })
    }

    /// The task, as if a document of its host had named it. After a redirect, the URL is the final one.
    pub(super) fn found(&self) -> NewTask {
        let task =
            Task { id: self.sealed.task, ..Task::new(&self.host, self.sitemap.as_str(), TaskKind::Sitemap) };
        NewTask { host: self.host.clone(), task, found_on: Some(self.host.id()) }
    }

    pub(super) fn outcome(&self) -> TaskOutcome {
        let SealedDocument { task, attempt, rows } = self.sealed;
        let fetched =
            FetchedDocument { document: DocumentKind::Urlset, entries: rows, ..FetchedDocument::default() };
        let final_url = TaskId::of(self.host.id(), &self.sitemap);
        TaskOutcome {
            read_as: Some(final_url).filter(|url| *url != task),
            ..TaskOutcome::new(task, Outcome::Fetched(fetched), attempt)
        }
    }
}

/// A sealed segment that is whole.
pub(super) struct WholeSegment {
    pub(super) extent: Extent,
    /// Number of its documents.
    pub(super) documents: u64,
    /// When its first document was fetched.
    pub(super) first_at: Timestamp,
}

/// Checks the sealed segment at `path` from its first byte to its last. Returns `None` if it is not whole or has no
/// documents.
pub(super) fn check(path: &Path, crc32c: u32) -> Result<Option<WholeSegment>, RebuildError> {
    let checksum = sealed::checksum(path);
    let (bytes, found) = checksum.map_err(|source| ReadError::Io { path: path.to_owned(), source })?;
    if found != crc32c {
        return Ok(None);
    }
    let (mut documents, mut first_at) = (0, None);
    let rows = each(path, |document| {
        documents += 1;
        first_at.get_or_insert(document.fetched_at);
        Ok(())
    })?;
    let extent = rows.map(|rows| Extent { bytes, rows, crc32c });
    Ok(extent.zip(first_at).map(|(extent, first_at)| WholeSegment { extent, documents, first_at }))
}

/// The tasks of the documents in the sealed segment at `path`, from its footer. Empty if it has no valid footer.
pub(super) fn tasks(path: &Path) -> Result<Vec<TaskId>, RebuildError> {
    let reader = open(path)?;
    Ok(reader.map_or_else(Vec::new, |reader| reader.documents.iter().map(|listed| listed.task).collect()))
}

/// Passes the documents of the sealed segment at `path` to `take`, in order. Returns the number of rows, or `None` if
/// the segment turns out not to be whole. Memory grows only with the list in the footer.
pub(super) fn each(
    path: &Path,
    mut take: impl FnMut(Document) -> Result<(), RebuildError>,
) -> Result<Option<u64>, RebuildError> {
    let Some(mut reader) = open(path)? else { return Ok(None) };
    let mut listed = std::mem::take(&mut reader.documents).into_iter();
    // The row where the batch begins, and where the next document does.
    let (mut at, mut begin) = (0, 0);
    for batch in reader {
        let Ok(batch) = batch else { return Ok(None) };
        let Ok(view) = BatchView::new(&batch) else { return Ok(None) };
        let end = at + view.len() as u64;
        while begin < end
            && let Some(sealed) = listed.next()
        {
            let Ok(row) = usize::try_from(begin - at) else { return Ok(None) };
            let row = view.row(row);
            let Some(document) = Document::new(sealed, row.host, row.sitemap, row.fetched_at) else {
                return Ok(None);
            };
            take(document)?;
            begin += sealed.rows;
        }
        at = end;
    }
    Ok((at == begin && listed.next().is_none()).then_some(at))
}

fn open(path: &Path) -> Result<Option<SealedReader>, RebuildError> {
    let file = File::open(path).map_err(|source| ReadError::Io { path: path.to_owned(), source })?;
    Ok(SealedReader::open(file).ok())
}
