//! What is whole of an open segment, damaged or torn as it may be.

use arrow_array::RecordBatch;
use arrow_buffer::MutableBuffer;

use super::columns::widen;
use super::message::{self, DocumentBatch, PREFIX_BYTES};
use super::rows::DocumentHead;

/// Messages begin at multiples of this.
const ALIGNMENT: usize = 8;

/// Gives `take` every document of which all batches are whole, with all columns, in order.
pub(crate) fn salvage<E>(
    segment: &[u8],
    mut take: impl FnMut(DocumentHead, Vec<RecordBatch>) -> Result<(), E>,
) -> Result<(), E> {
    let mut gathered: Option<Vec<DocumentBatch>> = None;
    let mut at = 0;
    while at < segment.len() {
        // Behind damage, whatever is a message with its checksum is one.
        let Some((batch, bytes)) = message_at(&segment[at..]) else {
            at += ALIGNMENT;
            continue;
        };
        at += bytes;
        let mut batches = match (batch.number, gathered.take()) {
            (0, _) => Vec::new(),
            (number, Some(batches)) if follows(&batches, number, &batch.head) => batches,
            _ => continue,
        };
        let is_last = batch.is_last;
        batches.push(batch);
        if !is_last {
            gathered = Some(batches);
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

/// The batch that `bytes` begin with, and its length; `None` for anything else, the schema included.
fn message_at(bytes: &[u8]) -> Option<(DocumentBatch, usize)> {
    let prefix: [u8; PREFIX_BYTES] = *bytes.first_chunk()?;
    let metadata_bytes = usize::try_from(message::metadata_bytes(prefix).ok()?).ok()?;
    let metadata = bytes.get(PREFIX_BYTES..PREFIX_BYTES.checked_add(metadata_bytes)?)?;
    let body_bytes = usize::try_from(message::body_bytes(metadata).ok()?).ok()?;
    let begin = PREFIX_BYTES + metadata_bytes;
    let end = begin.checked_add(body_bytes)?;
    let mut body = MutableBuffer::new(body_bytes);
    body.extend_from_slice(bytes.get(begin..end)?);
    Some((message::decode(metadata, body).ok()?, end))
}
