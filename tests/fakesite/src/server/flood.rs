//! An HTTP/2 connection that carries frames nobody asked for while no request is open.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use hyper::body::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};
use tokio::sync::mpsc;

use crate::log::OpenConnection;
use crate::misbehaviour::Misbehaviour;

/// What a client sends first (RFC 9113 section 3.4).
const PREFACE_BYTES: usize = 24;
/// Length, type, flags and stream of a frame.
const HEAD_BYTES: usize = 9;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const PING: u8 = 6;
/// A type that no standard defines. A receiver ignores such a frame (RFC 9113 section 4.1).
const UNKNOWN: u8 = 0xbb;
const END_STREAM: u8 = 1;
/// Frames per write.
const FRAMES: usize = 64;
/// Buffer between the connection and hyper.
const BUFFER_BYTES: usize = 64 << 10;

/// The frame that `misbehaviour` repeats on an idle connection.
pub(super) fn frame(misbehaviour: &Misbehaviour) -> Option<Vec<u8>> {
    let (kind, bytes) = match misbehaviour {
        Misbehaviour::PingsWhenIdle => (PING, 8),
        Misbehaviour::UnknownFramesWhenIdle => (UNKNOWN, 16 << 10),
        _ => return None,
    };
    let [_, high, middle, low] = u32::to_be_bytes(bytes);
    let mut frame = vec![high, middle, low, kind, 0, 0, 0, 0, 0];
    frame.resize(HEAD_BYTES + bytes as usize, 0);
    Some(frame)
}

/// Puts a flood of `frame` between `stream` and the server that uses the returned stream.
pub(super) fn flooding<S>(stream: S, frame: &[u8], connection: Arc<OpenConnection>) -> DuplexStream
where
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    let (server, inner) = tokio::io::duplex(BUFFER_BYTES);
    let (from_client, mut to_client) = tokio::io::split(stream);
    let (from_server, to_server) = tokio::io::split(inner);
    // Streams that the client has opened and the server has not ended.
    let open = Arc::new(AtomicI64::new(0));
    let (frames, mut sent) = mpsc::channel(1);
    let flood = Bytes::from(frame.repeat(FRAMES));
    let opened = Arc::clone(&open);
    tokio::spawn(async move { pass_requests(from_client, to_server, &opened).await });
    tokio::spawn(async move { read_answers(from_server, frames).await });
    tokio::spawn(async move {
        let mut has_answered = false;
        loop {
            let is_idle = has_answered && open.load(Ordering::Relaxed) == 0;
            let next = if is_idle { sent.try_recv().ok() } else { sent.recv().await };
            let Some(frame) = next else {
                if !is_idle || sent.is_closed() {
                    return;
                }
                if to_client.write_all(&flood).await.is_err() {
                    return;
                }
                connection.update(|entry| entry.flood_bytes += flood.len() as u64);
                tokio::task::yield_now().await;
                continue;
            };
            if to_client.write_all(&frame).await.is_err() || to_client.flush().await.is_err() {
                return;
            }
            if ends_stream(&frame) {
                open.fetch_sub(1, Ordering::Relaxed);
                has_answered = true;
            }
        }
    });
    server
}

fn ends_stream(frame: &[u8]) -> bool {
    let (kind, flags) = (frame[3], frame[4]);
    kind == RST_STREAM || (matches!(kind, DATA | HEADERS) && flags & END_STREAM != 0)
}

async fn pass_requests(
    mut client: impl AsyncRead + Unpin,
    mut server: impl AsyncWrite + Unpin,
    open: &AtomicI64,
) -> io::Result<()> {
    let mut preface = [0; PREFACE_BYTES];
    client.read_exact(&mut preface).await?;
    server.write_all(&preface).await?;
    loop {
        let frame = read_frame(&mut client).await?;
        match frame[3] {
            HEADERS => open.fetch_add(1, Ordering::Relaxed),
            RST_STREAM => open.fetch_sub(1, Ordering::Relaxed),
            _ => 0,
        };
        server.write_all(&frame).await?;
    }
}

async fn read_answers(mut server: impl AsyncRead + Unpin, frames: mpsc::Sender<Vec<u8>>) -> io::Result<()> {
    loop {
        let frame = read_frame(&mut server).await?;
        frames.send(frame).await.map_err(io::Error::other)?;
    }
}

async fn read_frame(reader: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let mut head = [0; HEAD_BYTES];
    reader.read_exact(&mut head).await?;
    let payload = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
    let mut frame = vec![0; HEAD_BYTES + payload];
    frame[..HEAD_BYTES].copy_from_slice(&head);
    reader.read_exact(&mut frame[HEAD_BYTES..]).await?;
    Ok(frame)
}
