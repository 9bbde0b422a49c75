//! Recovers the whole documents of an open segment that may be damaged or truncated.

use arrow_array::RecordBatch;
use arrow_buffer::MutableBuffer;

use super::columns::widen;
use super::document::DocumentHead;
use super::message::{self, ALIGNMENT, DocumentBatch, PREFIX_BYTES};

/// Passes every document whose batches are all whole to `take`, in order and with all columns.
pub(crate) fn salvage<E>(
    segment: &[u8],
    mut take: impl FnMut(DocumentHead, Vec<RecordBatch>) -> Result<(), E>,
) -> Result<(), E> {
    let mut incomplete: Option<Vec<DocumentBatch>> = None;
    let mut at = 0;
    while at < segment.len() {
        // After damage, continues at the next bytes that are a message with a valid checksum.
        let Some((batch, bytes)) = message_at(&segment[at..]) else {
            at += ALIGNMENT;
            continue;
        };
        at += bytes;
        let mut batches = match (batch.number, incomplete.take()) {
            (0, _) => Vec::new(),
            (number, Some(batches)) if follows(&batches, number, &batch.head) => batches,
            _ => continue,
        };
        let is_last = batch.is_last;
        batches.push(batch);
        if !is_last {
            incomplete = Some(batches);
            continue;
        }
        let head = batches[0].head.clone();
        let columns: Result<Vec<RecordBatch>, _> = batches.iter().map(widen).collect();
        if let Ok(columns) = columns {
            take(head, columns)?;
        }
    }
    Ok(())
}

fn follows(batches: &[DocumentBatch], number: u32, head: &DocumentHead) -> bool {
    batches.len() == number as usize && batches.first().is_some_and(|first| first.head == *head)
}

/// The batch at the start of `bytes` and its length; `None` if there is none, as at the schema message.
fn message_at(bytes: &[u8]) -> Option<(DocumentBatch, usize)> {
    let prefix: [u8; PREFIX_BYTES] = *bytes.first_chunk()?;
    let metadata_bytes = usize::try_from(message::metadata_bytes(prefix).ok()?).ok()?;
    let metadata = bytes.get(PREFIX_BYTES..PREFIX_BYTES.checked_add(metadata_bytes)?)?;
    let body_bytes = usize::try_from(message::body_bytes(metadata).ok()?).ok()?;
    let start = PREFIX_BYTES + metadata_bytes;
    let end = start.checked_add(body_bytes)?;
    // The length may be anything, so nothing is allocated before it is known to fit.
    let stored = bytes.get(start..end)?;
    let mut body = MutableBuffer::new(body_bytes);
    body.extend_from_slice(stored);
    Some((message::decode(metadata, body).ok()?, end))
}

#[cfg(test)]
mod tests {
    use frontier::{Seed, Timestamp};
    use sitemap::Entry;

    use super::*;
    use crate::segment::open::write_documents;
    use crate::{EntryScope, Scratch};

    #[test]
    fn a_segment_with_any_byte_damaged_gives_its_rows_or_none() {
        let seed = Seed::parse("https://a.example/s.xml").unwrap().unwrap().task();
        let mut rows = Scratch::in_memory().rows(DocumentHead {
            task: seed.task.id,
            attempt: 1,
            host: seed.host.to_string(),
            sitemap: seed.task.url,
            fetched_at: Timestamp::default(),
        });
        rows.push(&Entry { loc: "https://a.example/1", ..Entry::default() }, EntryScope::SameHost).unwrap();
        let mut segment = Vec::new();
        write_documents(&mut segment, true, &[rows.finish().unwrap()]).unwrap();
        let documents = |segment: &[u8]| {
            let mut documents = Vec::new();
            let taken = salvage(segment, |head, batches| {
                documents.push((head, batches));
                Ok::<_, ()>(())
            });
            taken.unwrap();
            documents
        };
        let written = documents(&segment);
        assert_eq!(written.len(), 1);
        for at in 0..segment.len() {
            // Among others, the length of the body becomes some exbibytes.
            segment[at] ^= 0x2f;
            let found = documents(&segment);
            assert!(found.is_empty() || found == written, "byte {at}");
            segment[at] ^= 0x2f;
        }
    }
}
