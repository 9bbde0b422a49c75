//! A minimal HTTP/1.1 server (RFC 9112) for crawlers that can also violate the protocol.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper::StatusCode;
use hyper::body::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::log::{OpenConnection, OpenRequest};
use crate::misbehaviour::Misbehaviour;
use crate::request::{Request, Scheme};

use super::answer::{Answer, Reply, answer};
use super::sending::{ChunkSink, Content, Sending, send_body};
use super::shared::Shared;

/// Maximum size of a request head.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Initial buffer size, enough for most request heads.
const HEAD_BYTES_USUAL: usize = 2 * 1024;
/// Maximum number of headers of a request.
const HEADERS_MAX: usize = 128;
/// Bodies up to this size are sent in one write with their head.
const JOINED_BYTES_MAX: usize = 16 * 1024;

/// A stream that carries HTTP/1.1: a socket, or TLS on a socket.
pub(crate) trait Wire: AsyncRead + AsyncWrite + Unpin + Send {
    /// Makes closing the socket send a reset.
    fn reset(&self) -> io::Result<()>;
}

/// Serves requests until one side closes the connection. Returns the stream if a CONNECT opened a tunnel; the caller
/// must serve the connection inside it.
pub(crate) async fn serve<S: Wire>(
    stream: S,
    scheme: Scheme,
    shared: &Arc<Shared>,
    connection: &OpenConnection,
) -> io::Result<Option<S>> {
    let mut wire = Buffered { stream, unread: Vec::with_capacity(HEAD_BYTES_USUAL) };
    while let Some(head) = wire.read_head().await? {
        if head.method == "CONNECT" && scheme == Scheme::Http {
            connection.update(|entry| entry.tunnel = Some(head.target.clone()));
            wire.write(b"HTTP/1.1 200 OK\r\n\r\n").await?;
            return Ok(Some(wire.stream));
        }
        if !matches!(head.method.as_str(), "GET" | "HEAD") || head.has_body() {
            wire.write(b"HTTP/1.1 405 Method Not Allowed\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
                .await?;
            return Ok(None);
        }
        let stays_open = head.stays_open;
        let mut request = head.into_request(scheme, connection.id());
        let open = shared.log.open_request(&mut request, "http/1.1");
        match answer(shared, &request).await {
            Answer::Reply(reply) => wire.reply(reply, &request, &open).await?,
            Answer::Breach(misbehaviour, reply) => {
                wire.pause(reply.wait).await?;
                return wire.breach(misbehaviour, reply, &open).await.map(|()| None);
            }
        }
        if !stays_open {
            break;
        }
    }
    wire.stream.shutdown().await?;
    Ok(None)
}

/// The head of a request.
struct Head {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    stays_open: bool,
}

impl Head {
    /// Parses a head and returns it with its size; `None` if it is incomplete.
    fn parse(bytes: &[u8]) -> io::Result<Option<(Self, usize)>> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut parsed = httparse::Request::new(&mut headers);
        let invalid = |error| io::Error::new(io::ErrorKind::InvalidData, error);
        let httparse::Status::Complete(size) = parsed.parse(bytes).map_err(invalid)? else { return Ok(None) };
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        let headers: Vec<_> = parsed
            .headers
            .iter()
            .map(|header| (header.name.to_ascii_lowercase(), text(header.value)))
            .collect();
        let connection = headers.iter().find(|(name, _)| name == "connection");
        let says_close = connection.is_some_and(|(_, value)| value.to_ascii_lowercase().contains("close"));
        let head = Self {
            method: parsed.method.unwrap_or_default().to_owned(),
            target: parsed.path.unwrap_or_default().to_owned(),
            headers,
            stays_open: parsed.version == Some(1) && !says_close,
        };
        Ok(Some((head, size)))
    }

    fn has_body(&self) -> bool {
        self.headers
            .iter()
            .any(|(name, value)| name == "transfer-encoding" || (name == "content-length" && value != "0"))
    }

    fn into_request(self, scheme: Scheme, connection_id: u64) -> Request {
        let host_header =
            || self.headers.iter().find(|(name, _)| name == "host").map(|(_, value)| value.as_str());
        // A client that uses this server as its proxy sends the whole URL (RFC 9112 section 3.2.2).
        let (host, path) = match self.target.strip_prefix("http://") {
            Some(rest) => rest.split_at(rest.find('/').unwrap_or(rest.len())),
            None => (host_header().unwrap_or_default(), self.target.as_str()),
        };
        Request {
            scheme,
            host: host.to_ascii_lowercase(),
            path: if path.is_empty() { "/".to_owned() } else { path.to_owned() },
            method: self.method,
            headers: self.headers,
            nth: 0,
            connection_id,
        }
    }
}

/// A stream and the bytes that were read from it but not used yet.
struct Buffered<S> {
    stream: S,
    unread: Vec<u8>,
}

impl<S: Wire> Buffered<S> {
    /// Reads the head of the next request; `None` if the client sends no more requests.
    async fn read_head(&mut self) -> io::Result<Option<Head>> {
        loop {
            if let Some((head, size)) = Head::parse(&self.unread)? {
                self.unread.drain(..size);
                return Ok(Some(head));
            }
            if self.unread.len() > HEAD_BYTES_MAX {
                self.write(b"HTTP/1.1 431 Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
                    .await?;
                return Ok(None);
            }
            if self.stream.read_buf(&mut self.unread).await? == 0 {
                return Ok(None);
            }
        }
    }

    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }

    /// Waits for `time`. Fails if the client closes the connection, so that the log shows the request as ended.
    async fn pause(&mut self, time: Duration) -> io::Result<()> {
        if time.is_zero() {
            return Ok(());
        }
        let over = tokio::time::sleep(time);
        tokio::pin!(over);
        loop {
            tokio::select! {
                () = &mut over => return Ok(()),
                read = self.stream.read_buf(&mut self.unread), if self.unread.len() <= HEAD_BYTES_MAX => {
                    if read? == 0 {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
            }
        }
    }

    async fn reply(&mut self, reply: Reply, request: &Request, open: &OpenRequest) -> io::Result<()> {
        self.pause(reply.wait).await?;
        open.status(reply.status);
        let is_chunked = reply.content.length_bytes().is_none();
        let head = head_of(&reply);
        if reply.is_bodiless() || request.method == "HEAD" {
            return self.write(&head).await;
        }
        if let (Content::Whole(bytes), Sending::AtOnce) = (&reply.content, &reply.sending)
            && bytes.len() <= JOINED_BYTES_MAX
        {
            self.write(&[head.as_slice(), bytes].concat()).await?;
            open.sent(bytes.len());
            return Ok(());
        }
        let length_bytes = reply.content.length_bytes().unwrap_or(u64::MAX);
        self.write(&head).await?;
        send_body(reply.content, &reply.sending, &mut BodyWriter { wire: self, open, is_chunked }).await?;
        if is_chunked {
            self.write(b"0\r\n\r\n").await?;
        }
        match reply.sending {
            Sending::LengthClaimed(claimed) if claimed > length_bytes => {
                Err(io::ErrorKind::UnexpectedEof.into())
            }
            Sending::ThenExtra => self.write(EXTRA_RESPONSE.as_bytes()).await,
            _ => Ok(()),
        }
    }

    /// Violates HTTP; the connection is closed afterwards.
    async fn breach(
        &mut self,
        misbehaviour: Misbehaviour,
        reply: Reply,
        open: &OpenRequest,
    ) -> io::Result<()> {
        match misbehaviour {
            Misbehaviour::ResetsConnection => self.stream.reset(),
            Misbehaviour::Garbage(bytes) => self.write(&bytes).await,
            Misbehaviour::BareBody => match reply.content {
                Content::Whole(bytes) => self.write(&bytes).await,
                Content::Chunks(mut chunks, _) => self.write(&chunks.next().unwrap_or_default()).await,
            },
            Misbehaviour::EndlessHeaders => {
                self.write(b"HTTP/1.1 200 OK\r\n").await?;
                self.repeat(HEADER_LINE, u64::MAX, open).await
            }
            Misbehaviour::HugeHeader(bytes) => {
                self.write(b"HTTP/1.1 200 OK\r\nx-huge: ").await?;
                self.repeat(&[b'h'; 1024], bytes.div_ceil(1024), open).await?;
                self.write(b"\r\ncontent-length: 0\r\n\r\n").await
            }
            Misbehaviour::EndlessInterim => {
                self.repeat(b"HTTP/1.1 100 Continue\r\n\r\n", u64::MAX, open).await
            }
            Misbehaviour::BadChunks => {
                self.write(
                    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n<urlset>\r\n0\r\n\r\n",
                )
                .await
            }
            // ClosesUnanswered, and misbehaviours that `answer` turns into a reply.
            _ => Ok(()),
        }
    }

    /// Writes `piece` up to `times` times, until the client closes the connection.
    async fn repeat(&mut self, piece: &[u8], times: u64, open: &OpenRequest) -> io::Result<()> {
        for _ in 0..times {
            self.stream.write_all(piece).await?;
            open.sent(piece.len());
            // On loopback the write may never wait, so this lets other connections run.
            tokio::task::yield_now().await;
        }
        self.stream.flush().await
    }
}

const HEADER_LINE: &[u8] =
    b"x-and-another: of the headers without end, which a client has to stop reading\r\n";

const EXTRA_RESPONSE: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/xml\r\ncontent-length: 60\r\n\r\n\
                              <urlset><url><loc>http://split.invalid/</loc></url></urlset>";

fn head_of(reply: &Reply) -> Vec<u8> {
    let reason = StatusCode::from_u16(reply.status).ok().and_then(|status| status.canonical_reason());
    let mut head = format!("HTTP/1.1 {} {}\r\n", reply.status, reason.unwrap_or("Unnamed"));
    for (name, value) in &reply.headers {
        head.extend([name, ": ", value, "\r\n"]);
    }
    match (&reply.sending, reply.content.length_bytes()) {
        _ if reply.is_bodiless() => {}
        (Sending::LengthClaimed(claimed), _) => head.push_str(&format!("content-length: {claimed}\r\n")),
        (_, Some(length)) => head.push_str(&format!("content-length: {length}\r\n")),
        (_, None) => head.push_str("transfer-encoding: chunked\r\n"),
    }
    head.push_str("\r\n");
    head.into_bytes()
}

/// Writes the chunks of a body, with chunked transfer coding if `is_chunked`.
struct BodyWriter<'a, S> {
    wire: &'a mut Buffered<S>,
    open: &'a OpenRequest,
    is_chunked: bool,
}

impl<S: Wire> ChunkSink for BodyWriter<'_, S> {
    async fn send(&mut self, chunk: Bytes) -> io::Result<()> {
        if chunk.is_empty() {
            return Ok(());
        }
        if self.is_chunked {
            self.wire.stream.write_all(format!("{:x}\r\n", chunk.len()).as_bytes()).await?;
        }
        self.wire.stream.write_all(&chunk).await?;
        if self.is_chunked {
            self.wire.stream.write_all(b"\r\n").await?;
        }
        self.wire.stream.flush().await?;
        self.open.sent(chunk.len());
        // A write may never wait, so this lets other connections run during an endless body.
        tokio::task::yield_now().await;
        Ok(())
    }

    async fn pause(&mut self, time: Duration) -> io::Result<()> {
        self.wire.pause(time).await
    }
}
