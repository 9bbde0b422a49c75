//! Encodes one batch of a document as a message of an Arrow IPC stream, and decodes it.
//!
//! The `custom_metadata` of the message contain the fields that are constant within the document, the number of the
//! batch in the document, and a CRC-32C. The checksum covers the metadata, with its own digits as zeros, and the
//! body. So damage is found before Arrow reads a byte.

use std::collections::HashMap;
use std::fmt::Display;

use arrow_array::RecordBatch;
use arrow_buffer::{Buffer, MutableBuffer};
use arrow_ipc::writer::{DictionaryTracker, IpcDataGenerator, IpcWriteContext, IpcWriteOptions};
use arrow_ipc::{
    KeyValue, KeyValueArgs, Message, MessageArgs, MessageHeader, MetadataVersion, RecordBatchArgs,
    root_as_message,
};
use arrow_schema::ArrowError;
use arrow_schema::Schema;
use flatbuffers::FlatBufferBuilder;
use frontier::{TaskId, Timestamp};

use super::document::DocumentHead;
use super::error::ReadError;
use super::schema::open_schema;

/// Messages and their bodies start at multiples of this.
pub(super) const ALIGNMENT: usize = 8;

/// The first bytes of every message.
const CONTINUATION: [u8; 4] = [0xff; 4];

/// Bytes of the continuation mark and the length of the metadata.
pub(super) const PREFIX_BYTES: usize = 8;

/// Bytes of which messages are read.
pub(super) trait MessageBytes {
    /// Offset of the next byte.
    fn at(&self) -> u64;

    /// Number of bytes that may still be read.
    fn rest(&self) -> u64;

    /// Fills `into` with the next bytes.
    fn read(&mut self, into: &mut [u8]) -> Result<(), ReadError>;

    /// The error for a message that cannot be what was written, and begins at `begin`.
    fn damaged(&self, begin: u64, reason: &dyn Display) -> ReadError;
}

/// Reads the metadata and body of the next message. Lengths are checked before memory is allocated.
pub(super) fn read(bytes: &mut impl MessageBytes) -> Result<(Vec<u8>, MutableBuffer), ReadError> {
    let begin = bytes.at();
    let mut prefix = [0; PREFIX_BYTES];
    bounded(bytes, begin, PREFIX_BYTES as u64)?;
    bytes.read(&mut prefix)?;
    let length = metadata_bytes(prefix).map_err(|error| bytes.damaged(begin, &error))?;
    let mut metadata = vec![0; bounded(bytes, begin, length)?];
    bytes.read(&mut metadata)?;
    let length = body_bytes(&metadata).map_err(|error| bytes.damaged(begin, &error))?;
    let mut body = MutableBuffer::from_len_zeroed(bounded(bytes, begin, length)?);
    bytes.read(body.as_slice_mut())?;
    Ok((metadata, body))
}

/// Checks that at least `length` more bytes may be read.
fn bounded(bytes: &impl MessageBytes, begin: u64, length: u64) -> Result<usize, ReadError> {
    let rest = bytes.rest();
    let fits = usize::try_from(length).ok().filter(|_| length <= rest);
    fits.ok_or_else(|| bytes.damaged(begin, &format!("a length of {length} bytes, but only {rest} are left")))
}

const CHECKSUM_KEY: &str = "crc32c";
const BLANK_CHECKSUM: &[u8; 8] = b"00000000";

/// A batch of a document, with its number in the document.
pub(super) struct DocumentBatch {
    /// The document.
    pub(super) head: DocumentHead,
    /// Number of earlier batches of the document.
    pub(super) number: u32,
    /// Whether it is the last batch of the document.
    pub(super) is_last: bool,
    /// Its columns, with [`open_schema`].
    pub(super) columns: RecordBatch,
}

/// Why bytes are not a message of a segment.
#[derive(Debug, thiserror::Error)]
pub(super) enum MessageError {
    #[error("not an Arrow message: {0}")]
    Malformed(String),
    #[error("checksum mismatch")]
    Checksum,
    #[error("metadata {0} is missing or unreadable")]
    Metadata(&'static str),
}

impl From<ArrowError> for MessageError {
    fn from(error: ArrowError) -> Self {
        Self::Malformed(error.to_string())
    }
}

/// The first message of a segment, which describes its columns.
pub(crate) fn schema_message() -> Result<Vec<u8>, ArrowError> {
    let encoded = IpcDataGenerator::default().schema_to_bytes_with_dictionary_tracker(
        &open_schema(),
        &mut DictionaryTracker::new(true),
        &options()?,
    );
    let mut message = Vec::new();
    frame(&encoded.ipc_message, &[], &mut message)?;
    Ok(message)
}

/// Appends `batch` to `out` as one message.
pub(super) fn encode(batch: &DocumentBatch, out: &mut Vec<u8>) -> Result<(), ArrowError> {
    let (_, encoded) = IpcDataGenerator::default().encode(
        &batch.columns,
        &mut DictionaryTracker::new(true),
        &options()?,
        &mut IpcWriteContext::default(),
    )?;
    let mut metadata = with_metadata(&encoded.ipc_message, &pairs(batch))?;
    metadata.resize(metadata.len().next_multiple_of(ALIGNMENT), 0);
    let offset = checksum_offset(&metadata)
        .ok_or_else(|| ArrowError::IpcError("the message has no field for the checksum".to_owned()))?;
    let checksum = format!("{:08x}", checksum(&metadata, offset, &encoded.arrow_data));
    metadata[offset..offset + checksum.len()].copy_from_slice(checksum.as_bytes());
    frame(&metadata, &encoded.arrow_data, out)
}

/// Length in bytes of the metadata after this prefix.
pub(super) fn metadata_bytes(prefix: [u8; PREFIX_BYTES]) -> Result<u64, MessageError> {
    let [c0, c1, c2, c3, l0, l1, l2, l3] = prefix;
    if [c0, c1, c2, c3] != CONTINUATION {
        return Err(MessageError::Malformed("no continuation mark".to_owned()));
    }
    let length = i32::from_le_bytes([l0, l1, l2, l3]);
    u64::try_from(length).map_err(|_| MessageError::Malformed(format!("metadata of {length} bytes")))
}

/// Length in bytes of the body after these metadata.
pub(super) fn body_bytes(metadata: &[u8]) -> Result<u64, MessageError> {
    let length = parse(metadata)?.bodyLength();
    u64::try_from(length).map_err(|_| MessageError::Malformed(format!("body of {length} bytes")))
}

/// Decodes the columns described by the first message.
pub(super) fn decode_schema(metadata: &[u8]) -> Result<Schema, MessageError> {
    let message = parse(metadata)?;
    let schema = message
        .header_as_schema()
        .ok_or_else(|| MessageError::Malformed("a segment must start with its schema".to_owned()))?;
    Ok(arrow_ipc::convert::try_fb_to_schema(schema)?)
}

/// Verifies the checksum of a message and decodes its batch.
pub(super) fn decode(metadata: &[u8], body: MutableBuffer) -> Result<DocumentBatch, MessageError> {
    let offset = checksum_offset(metadata).ok_or(MessageError::Metadata(CHECKSUM_KEY))?;
    let stored =
        metadata[offset..].get(..BLANK_CHECKSUM.len()).ok_or(MessageError::Metadata(CHECKSUM_KEY))?;
    if stored != format!("{:08x}", checksum(metadata, offset, &body)).as_bytes() {
        return Err(MessageError::Checksum);
    }
    let message = parse(metadata)?;
    let batch = message
        .header_as_record_batch()
        .ok_or_else(|| MessageError::Malformed("not a record batch".to_owned()))?;
    let columns = arrow_ipc::reader::read_record_batch(
        &Buffer::from(body),
        batch,
        open_schema(),
        &HashMap::new(),
        None,
        &message.version(),
    )?;
    Metadata(&message).batch(columns)
}

fn options() -> Result<IpcWriteOptions, ArrowError> {
    IpcWriteOptions::try_new(ALIGNMENT, false, MetadataVersion::V5)
}

fn parse(metadata: &[u8]) -> Result<Message<'_>, MessageError> {
    root_as_message(metadata).map_err(|error| MessageError::Malformed(error.to_string()))
}

fn frame(metadata: &[u8], body: &[u8], out: &mut Vec<u8>) -> Result<(), ArrowError> {
    let padded = metadata.len().next_multiple_of(ALIGNMENT);
    let length =
        i32::try_from(padded).map_err(|_| ArrowError::IpcError(format!("metadata of {padded} bytes")))?;
    out.extend_from_slice(&CONTINUATION);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(metadata);
    out.resize(out.len() + (padded - metadata.len()), 0);
    out.extend_from_slice(body);
    Ok(())
}

/// Copies the message with `pairs` as its custom metadata. Arrow's writer cannot set them.
fn with_metadata(message: &[u8], pairs: &[(&str, String)]) -> Result<Vec<u8>, ArrowError> {
    let malformed = || ArrowError::IpcError("Arrow's writer returned no record batch".to_owned());
    let message = root_as_message(message).map_err(|error| ArrowError::IpcError(error.to_string()))?;
    let batch = message.header_as_record_batch().ok_or_else(malformed)?;
    let (nodes, buffers) = (batch.nodes().ok_or_else(malformed)?, batch.buffers().ok_or_else(malformed)?);

    let mut builder = FlatBufferBuilder::with_capacity(1024);
    let nodes: Vec<_> = nodes.iter().copied().collect();
    let buffers: Vec<_> = buffers.iter().copied().collect();
    let arguments = RecordBatchArgs {
        length: batch.length(),
        nodes: Some(builder.create_vector(&nodes)),
        buffers: Some(builder.create_vector(&buffers)),
        ..Default::default()
    };
    let header = arrow_ipc::RecordBatch::create(&mut builder, &arguments);
    let pairs: Vec<_> = pairs
        .iter()
        .map(|(key, value)| {
            let arguments = KeyValueArgs {
                key: Some(builder.create_string(key)),
                value: Some(builder.create_string(value)),
            };
            KeyValue::create(&mut builder, &arguments)
        })
        .collect();
    let arguments = MessageArgs {
        version: message.version(),
        header_type: MessageHeader::RecordBatch,
        header: Some(header.as_union_value()),
        bodyLength: message.bodyLength(),
        custom_metadata: Some(builder.create_vector(&pairs)),
    };
    let root = Message::create(&mut builder, &arguments);
    builder.finish(root, None);
    Ok(builder.finished_data().to_vec())
}

fn pairs(batch: &DocumentBatch) -> [(&'static str, String); 9] {
    let head = &batch.head;
    [
        ("task_host", head.task.host.to_string()),
        ("task_url", format!("{:032x}", head.task.url)),
        ("attempt", head.attempt.to_string()),
        ("host", head.host.clone()),
        ("sitemap", head.sitemap.clone()),
        ("fetched_at", head.fetched_at.as_micros().to_string()),
        ("batch", batch.number.to_string()),
        ("last", batch.is_last.to_string()),
        (CHECKSUM_KEY, String::from_utf8_lossy(BLANK_CHECKSUM).into_owned()),
    ]
}

fn checksum(metadata: &[u8], offset: usize, body: &[u8]) -> u32 {
    let rest = metadata.get(offset + BLANK_CHECKSUM.len()..).unwrap_or_default();
    let sum = crc32c::crc32c(&metadata[..offset]);
    let sum = crc32c::crc32c_append(sum, BLANK_CHECKSUM);
    crc32c::crc32c_append(crc32c::crc32c_append(sum, rest), body)
}

/// Offset of the checksum's digits in the metadata.
fn checksum_offset(metadata: &[u8]) -> Option<usize> {
    let message = root_as_message(metadata).ok()?;
    let value = Metadata(&message).text(CHECKSUM_KEY).ok()?;
    if value.len() != BLANK_CHECKSUM.len() {
        return None;
    }
    (value.as_ptr() as usize).checked_sub(metadata.as_ptr() as usize)
}

/// The custom metadata of a message.
struct Metadata<'a>(&'a Message<'a>);

impl<'a> Metadata<'a> {
    fn text(&self, key: &'static str) -> Result<&'a str, MessageError> {
        let pairs = self.0.custom_metadata().ok_or(MessageError::Metadata(key))?;
        let pair = pairs.iter().find(|pair| pair.key() == Some(key)).ok_or(MessageError::Metadata(key))?;
        pair.value().ok_or(MessageError::Metadata(key))
    }

    fn number<N: std::str::FromStr>(&self, key: &'static str) -> Result<N, MessageError> {
        self.text(key)?.parse().map_err(|_| MessageError::Metadata(key))
    }

    fn batch(&self, columns: RecordBatch) -> Result<DocumentBatch, MessageError> {
        let host = self.text("task_host")?.parse().map_err(|_| MessageError::Metadata("task_host"))?;
        let url = u128::from_str_radix(self.text("task_url")?, 16)
            .map_err(|_| MessageError::Metadata("task_url"))?;
        let head = DocumentHead {
            task: TaskId { host, url },
            attempt: self.number("attempt")?,
            host: self.text("host")?.to_owned(),
            sitemap: self.text("sitemap")?.to_owned(),
            fetched_at: Timestamp::from_micros(self.number("fetched_at")?),
        };
        Ok(DocumentBatch { head, number: self.number("batch")?, is_last: self.number("last")?, columns })
    }
}
