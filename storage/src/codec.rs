//! Records as bytes: serde's shapes in postcard's compact format.

use serde::{Deserialize, Serialize};

/// Bytes that are not the record they should be, or a record that cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("unreadable record: {0}")]
pub(crate) struct CodecError(#[from] postcard::Error);

/// `record` as bytes.
pub(crate) fn encode(record: &impl Serialize) -> Result<Vec<u8>, CodecError> {
    Ok(postcard::to_allocvec(record)?)
}

/// The record of which `bytes` are the whole; it may borrow from them.
pub(crate) fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, CodecError> {
    match postcard::take_from_bytes(bytes)? {
        (record, []) => Ok(record),
        _ => Err(CodecError(postcard::Error::DeserializeBadEncoding)),
    }
}
