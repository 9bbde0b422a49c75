//! What the fuzz targets need of private parts. It is compiled for them alone (`cfg(fuzzing)`).

use std::fmt::Debug;
use std::io::{self, Cursor};
use std::path::PathBuf;

use arrow_array::RecordBatch;
use frontier::work_queue::{HostRecord, TaskState};
use frontier::{FetchRecord, HostId, TaskId};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::live::question::{self, ANSWER_BYTES_MAX, Greeting, Page, QUESTION_BYTES_MAX, Question};
use crate::segment::open::write_documents;
use crate::segment::reader::OpenReader;
use crate::segment::salvage;
use crate::{DocumentHead, FinishedRows, QueueView, ReadError, SegmentPlace, SegmentRecord};

/// The bytes of an open segment with `documents`, and their CRC-32C.
pub fn segment(documents: &[FinishedRows]) -> io::Result<(Vec<u8>, u32)> {
    let mut bytes = Vec::new();
    let (_, crc32c) = write_documents(&mut bytes, true, documents)?;
    Ok((bytes, crc32c))
}

/// Reads `bytes` as an open segment that was registered with so many bytes and rows and this CRC-32C.
pub fn read_segment(
    bytes: &[u8],
    registered_bytes: u64,
    rows: u64,
    crc32c: u32,
) -> Result<Vec<RecordBatch>, ReadError> {
    let place = SegmentPlace::default();
    let name = "0-0.arrows".to_owned();
    let registered = SegmentRecord { name, bytes: registered_bytes, rows, crc32c, first: place, last: place };
    OpenReader::new(PathBuf::from("segment"), Cursor::new(bytes), registered)?.collect()
}

/// The whole documents among `bytes`, as `crawl rebuild` finds them.
pub fn salvage(bytes: &[u8]) -> Vec<(DocumentHead, Vec<RecordBatch>)> {
    let mut documents = Vec::new();
    let taken = salvage::salvage(bytes, |head, batches| {
        documents.push((head, batches));
        Ok::<(), std::convert::Infallible>(())
    });
    match taken {
        Ok(()) => documents,
    }
}

/// Reads `bytes` as what a reader sends to a running crawl, and as each kind of answer. What can be read must come back
/// when it is sent.
pub fn live_message(bytes: &[u8]) {
    let Some((begin, rest)) = bytes.split_first_chunk() else { return };
    for bytes_max in [QUESTION_BYTES_MAX, ANSWER_BYTES_MAX] {
        if let Ok(length) = question::value_length(*begin, bytes_max) {
            assert!(length <= bytes_max as usize);
        }
    }
    if let Ok(greeting) = question::value::<Greeting>(rest) {
        assert_eq!(greeting.check().is_ok(), greeting.release == Greeting::of_this_release().release);
    }
    comes_back::<Question>(rest);
    comes_back::<Result<(), String>>(rest);
    comes_back::<Result<Option<String>, String>>(rest);
    comes_back::<Result<QueueView, String>>(rest);
    comes_back::<Result<Page<(HostId, HostRecord)>, String>>(rest);
    comes_back::<Result<Page<(TaskId, TaskState)>, String>>(rest);
    comes_back::<Result<Page<FetchRecord>, String>>(rest);
}

fn comes_back<T: Serialize + DeserializeOwned + Debug>(bytes: &[u8]) {
    let Ok(value) = question::value::<T>(bytes) else { return };
    let Ok(message) = question::message(&value) else { panic!("it cannot be sent: {value:?}") };
    let Ok(again) = question::value::<T>(&message[4..]) else { panic!("it cannot be read: {value:?}") };
    // Texts are compared, because a number that is none is not equal to itself.
    assert_eq!(format!("{again:?}"), format!("{value:?}"));
}
