//! The questions of readers, the pages that answer them, and how both are sent.
//!
//! A message is its length in four bytes, little-endian, and then the encoded value. Every answer is a `Result`, whose
//! error is a text. A reader first sends a [`Greeting`]. It may then send any number of questions, one at a time.

use std::io;

use frontier::work_queue::QueueError;
use frontier::{HostId, TaskId};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::codec;
use crate::work_queue::FetchMark;

/// Maximum length of an answer. A page of hosts is the largest, because a host may have long texts.
pub(crate) const ANSWER_BYTES_MAX: u32 = 64 << 20;

/// Maximum length of a greeting or a question.
pub(crate) const QUESTION_BYTES_MAX: u32 = 1 << 10;

/// What a reader sends first. Another release may encode records in another way.
#[derive(Serialize, Deserialize)]
pub(crate) struct Greeting {
    /// The reader's release.
    pub(crate) release: String,
}

impl Greeting {
    /// The greeting of this release.
    pub(crate) fn of_this_release() -> Self {
        Self { release: env!("CARGO_PKG_VERSION").to_owned() }
    }

    /// Checks that a reader is of this release. The error says what to do.
    pub(crate) fn check(&self) -> Result<(), String> {
        let own = env!("CARGO_PKG_VERSION");
        if self.release == own {
            return Ok(());
        }
        Err(format!(
            "release {own} runs this crawl and cannot be asked by release {}: use {own}",
            self.release
        ))
    }
}

/// What a reader asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum Question {
    /// The [`crate::QueueView`].
    View,
    /// Why the last try to seal segments failed, as an optional text.
    SealFailure,
    /// A page of hosts.
    Hosts {
        /// Only hosts after this one.
        after: Option<HostId>,
    },
    /// A page of tasks.
    Tasks {
        /// Only tasks after this one.
        after: Option<TaskId>,
    },
    /// A page of requests.
    Fetches {
        /// Only requests of commits after this one.
        after: FetchMark,
    },
}

/// A page of records.
#[derive(PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Page<T> {
    /// The records.
    pub(crate) items: Vec<T>,
    /// What to ask for the next page. `None` if this is the last one.
    pub(crate) next: Option<Question>,
}

/// The message that contains `value`.
pub(crate) fn message(value: &impl Serialize) -> io::Result<Vec<u8>> {
    let bytes = codec::encode(value).map_err(io::Error::other)?;
    let length = u32::try_from(bytes.len()).ok().filter(|&length| length <= ANSWER_BYTES_MAX);
    let length = length.ok_or_else(|| io::Error::other("the message is too long"))?;
    Ok([&length.to_le_bytes()[..], &bytes].concat())
}

/// The length of a message's value, from its first four bytes.
pub(crate) fn value_length(begin: [u8; 4], bytes_max: u32) -> io::Result<usize> {
    let length = u32::from_le_bytes(begin);
    if length > bytes_max {
        let reason = format!("a message of {length} bytes, more than {bytes_max}");
        return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
    }
    usize::try_from(length).map_err(io::Error::other)
}

/// The value of a message.
pub(crate) fn value<T: DeserializeOwned>(bytes: &[u8]) -> io::Result<T> {
    codec::decode(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// The answer to a question. An error of the queue becomes its text.
pub(crate) fn answer<T: Serialize>(result: Result<T, QueueError>) -> io::Result<Vec<u8>> {
    message(&result.map_err(|error| error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_of_another_release_is_told_which_one_to_use() {
        assert_eq!(Greeting::of_this_release().check(), Ok(()));
        let refused = Greeting { release: "9.9.9".to_owned() }.check().unwrap_err();
        assert!(
            refused.contains("release 9.9.9") && refused.contains(env!("CARGO_PKG_VERSION")),
            "{refused}"
        );
    }

    #[test]
    fn a_message_is_read_back_and_its_length_is_limited() {
        let question = Question::Fetches { after: FetchMark { session: 2, commit_seq: 1 << 40 } };
        let message = message(&question).unwrap();
        let (begin, bytes) = message.split_first_chunk().unwrap();
        assert_eq!(value_length(*begin, QUESTION_BYTES_MAX).unwrap(), bytes.len());
        assert_eq!(value::<Question>(bytes).unwrap(), question);
        assert!(value_length([0xFF; 4], ANSWER_BYTES_MAX).is_err());
        assert!(value::<Question>(&bytes[1..]).is_err());
    }
}
