//! How a body goes out: at once, in drops, or not to its end.

use std::io;
use std::time::Duration;

use hyper::body::Bytes;

use super::connection::UNTIL_GONE;

/// The bytes of a response.
pub(crate) enum Content {
    Whole(Bytes),
    /// Chunks made as they are sent, with the length if it is known.
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

/// The way in which it goes.
pub(crate) enum Sending {
    AtOnce,
    Drip {
        bytes: usize,
        every: Duration,
    },
    StallsAfter(u64),
    DropsAfter(u64),
    /// HTTP/1.1 only: this `Content-Length`, whatever the body is.
    LengthClaimed(u64),
    /// HTTP/1.1 only: a response nobody asked for follows.
    ThenExtra,
}

/// Where chunks go: a socket or a stream of HTTP/2.
pub(crate) trait ChunkSink: Send {
    /// Gives a chunk away, when there is room for it.
    fn send(&mut self, chunk: Bytes) -> impl Future<Output = io::Result<()>> + Send;

    /// Does nothing for a while; an error when the client leaves meanwhile.
    fn pause(&mut self, time: Duration) -> impl Future<Output = io::Result<()>> + Send;
}

/// Sends a body; an error means that it did not come to its proper end, so the connection cannot go on.
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
            let drop = chunk.split_to(bytes.min(chunk.len()));
            sink.send(drop).await?;
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
