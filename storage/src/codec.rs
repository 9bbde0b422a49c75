//! Encodes records with serde in postcard's compact format.

use serde::{Deserialize, Serialize};

/// The bytes do not encode the expected record, or a record could not be encoded.
#[derive(Debug, thiserror::Error)]
#[error("unreadable record: {0}")]
pub(crate) struct CodecError(#[from] postcard::Error);

/// Encodes `record`.
pub(crate) fn encode(record: &impl Serialize) -> Result<Vec<u8>, CodecError> {
    Ok(postcard::to_allocvec(record)?)
}

/// Appends the encoded `record` to `bytes`. They are lost if that fails.
pub(crate) fn encode_onto(bytes: Vec<u8>, record: &impl Serialize) -> Result<Vec<u8>, CodecError> {
    Ok(postcard::to_extend(record, bytes)?)
}

/// Decodes the record that all of `bytes` encode. It may contain references into them.
pub(crate) fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, CodecError> {
    match postcard::take_from_bytes(bytes)? {
        (record, []) => Ok(record),
        _ => Err(CodecError(postcard::Error::DeserializeBadEncoding)),
    }
}
