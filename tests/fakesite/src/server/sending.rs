//! Sends a body: at once, in small pieces, or incompletely.

use std::io;
use std::time::Duration;

use hyper::body::Bytes;

/// Longer than any test or benchmark: the pause ends only when the client closes the connection.
pub(crate) const UNTIL_GONE: Duration = Duration::from_secs(30 * 24 * 3600);

/// The bytes of a response.
pub(crate) enum Content {
    Whole(Bytes),
    /// Chunks that are generated while they are sent, with the total length if it is known.
    Chunks(Box<dyn Iterator<Item = Bytes> + Send>, Option<u64>),
}

impl Content {
    pub(crate) fn length_bytes(&self) -> Option<u64> {
        match self {
            Self::Whole(bytes) => Some(bytes.len() as u64),
            Self::Chunks(_, length_bytes) => *length_bytes,
        }
    }

    fn chunks(self) -> Box<dyn Iterator<Item = Bytes> + Send> {
        match self {
            Self::Whole(bytes) => Box::new(Some(bytes).into_iter()),
            Self::Chunks(chunks, _) => chunks,
        }
    }
}

/// How a body is sent.
pub(crate) enum Sending {
    AtOnce,
    Drip {
        bytes: usize,
        every: Duration,
    },
    StallsAfter(u64),
    DropsAfter(u64),
    /// HTTP/1.1 only: sends this `Content-Length`, whatever the length of the body is.
    LengthClaimed(u64),
    /// HTTP/1.1 only: an unrequested response follows.
    ThenExtra,
}

/// The destination of chunks: a socket or an HTTP/2 stream.
pub(crate) trait ChunkSink: Send {
    /// Sends a chunk as soon as there is room for it.
    fn send(&mut self, chunk: Bytes) -> impl Future<Output = io::Result<()>> + Send;

    /// Waits for `time`. Fails if the client closes the connection in that time.
    fn pause(&mut self, time: Duration) -> impl Future<Output = io::Result<()>> + Send;
}

/// Sends a body. After an error the body is incomplete, so the connection cannot be reused.
pub(crate) async fn send_body<S: ChunkSink>(
    content: Content,
    sending: &Sending,
    sink: &mut S,
) -> io::Result<()> {
    match *sending {
        Sending::AtOnce | Sending::LengthClaimed(_) | Sending::ThenExtra => {
            for chunk in content.chunks() {
                sink.send(chunk).await?;
            }
            Ok(())
        }
        Sending::Drip { bytes, every } => drip(content, bytes.max(1), every, sink).await,
        Sending::StallsAfter(bytes) => {
            send_prefix(content, bytes, sink).await?;
            sink.pause(UNTIL_GONE).await?;
            Err(io::ErrorKind::TimedOut.into())
        }
        Sending::DropsAfter(bytes) => {
            send_prefix(content, bytes, sink).await?;
            Err(io::ErrorKind::ConnectionAborted.into())
        }
    }
}

async fn drip<S: ChunkSink>(content: Content, bytes: usize, every: Duration, sink: &mut S) -> io::Result<()> {
    let mut is_first = true;
    for mut chunk in content.chunks() {
        while !chunk.is_empty() {
            if !is_first {
                sink.pause(every).await?;
            }
            is_first = false;
            let piece = chunk.split_to(bytes.min(chunk.len()));
            sink.send(piece).await?;
        }
    }
    Ok(())
}

async fn send_prefix<S: ChunkSink>(content: Content, bytes: u64, sink: &mut S) -> io::Result<()> {
    let mut left = bytes;
    for mut chunk in content.chunks() {
        let take = usize::try_from(left).unwrap_or(usize::MAX).min(chunk.len());
        if take > 0 {
            sink.send(chunk.split_to(take)).await?;
            left -= take as u64;
        }
        if left == 0 {
            break;
        }
    }
    Ok(())
}
