//! HTTP/2, by hyper.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::header::HOST;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper::{Method, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;

use crate::log::{OpenConnection, OpenRequest};
use crate::request::{Request, Scheme};

use super::answer::{Answer, Reply, answer};
use super::sending::{ChunkSink, Content, Sending, send_body};
use super::shared::Shared;

/// Serves streams until the client closes the connection.
pub(crate) async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    shared: Arc<Shared>,
    connection: Arc<OpenConnection>,
) -> io::Result<()> {
    let service = service_fn(move |incoming| {
        let (shared, connection) = (Arc::clone(&shared), Arc::clone(&connection));
        async move { respond(&incoming, &shared, &connection).await }
    });
    http2::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(stream), service)
        .await
        .map_err(io::Error::other)
}

/// Answers one request. An error resets its stream, which is how misbehaviours of HTTP/1.1 appear over HTTP/2.
async fn respond(
    incoming: &hyper::Request<Incoming>,
    shared: &Arc<Shared>,
    connection: &OpenConnection,
) -> io::Result<Response<ReplyBody>> {
    let mut request = request_of(incoming, connection.id());
    let open = shared.log.open_request(&mut request, "h2");
    let reply = match answer(shared, &request).await {
        Answer::Reply(reply) => reply,
        Answer::Breach(..) => return Err(io::ErrorKind::ConnectionReset.into()),
    };
    // hyper drops this future when the client resets the stream, so the pause ends with the stream.
    tokio::time::sleep(reply.wait).await;
    open.status(reply.status);
    let mut response = Response::builder().status(reply.status);
    for (name, value) in &reply.headers {
        response = response.header(name, value);
    }
    let is_bodiless = reply.is_bodiless() || incoming.method() == Method::HEAD;
    response.body(ReplyBody::of(reply, is_bodiless, open)).map_err(io::Error::other)
}

fn request_of(incoming: &hyper::Request<Incoming>, connection_id: u64) -> Request {
    let uri = incoming.uri();
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    let header =
        |name| incoming.headers().get(name).map(|value: &hyper::header::HeaderValue| text(value.as_bytes()));
    let host = uri.authority().map(|authority| authority.as_str().to_owned()).or_else(|| header(HOST));
    Request {
        scheme: Scheme::Https,
        host: host.unwrap_or_default().to_ascii_lowercase(),
        method: incoming.method().as_str().to_owned(),
        path: uri.path_and_query().map_or_else(|| "/".to_owned(), |path| path.as_str().to_owned()),
        headers: incoming
            .headers()
            .iter()
            .map(|(name, value)| (name.as_str().to_owned(), text(value.as_bytes())))
            .collect(),
        nth: 0,
        connection_id,
    }
}

/// A body for hyper. It keeps the log entry of the request open until hyper drops the body.
struct ReplyBody {
    source: Source,
    open: Arc<OpenRequest>,
}

enum Source {
    Whole(Option<Bytes>),
    /// Chunks from a task that paces them, and their total length if it is known.
    Paced(mpsc::Receiver<io::Result<Bytes>>, Option<u64>),
}

impl ReplyBody {
    fn of(reply: Reply, is_bodiless: bool, open: OpenRequest) -> Self {
        let open = Arc::new(open);
        let source = match (reply.content, reply.sending) {
            _ if is_bodiless => Source::Whole(None),
            (Content::Whole(bytes), Sending::AtOnce) => Source::Whole(Some(bytes)),
            (content, sending) => {
                let length_bytes = content.length_bytes();
                let (chunks, receiver) = mpsc::channel(1);
                tokio::spawn(pace(content, sending, ChunkChannel { chunks, open: Arc::clone(&open) }));
                Source::Paced(receiver, length_bytes)
            }
        };
        Self { source, open }
    }
}

async fn pace(content: Content, sending: Sending, mut sink: ChunkChannel) {
    if let Err(error) = send_body(content, &sending, &mut sink).await {
        // Sending fails if the client has closed the stream.
        let _ = sink.chunks.send(Err(error)).await;
    }
}

struct ChunkChannel {
    chunks: mpsc::Sender<io::Result<Bytes>>,
    open: Arc<OpenRequest>,
}

impl ChunkSink for ChunkChannel {
    async fn send(&mut self, chunk: Bytes) -> io::Result<()> {
        let size = chunk.len();
        self.chunks.send(Ok(chunk)).await.map_err(io::Error::other)?;
        self.open.sent(size);
        Ok(())
    }

    async fn pause(&mut self, time: Duration) -> io::Result<()> {
        tokio::select! {
            () = tokio::time::sleep(time) => Ok(()),
            () = self.chunks.closed() => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let body = self.get_mut();
        match &mut body.source {
            Source::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| {
                body.open.sent(bytes.len());
                Ok(Frame::data(bytes))
            })),
            Source::Paced(chunks, _) => {
                chunks.poll_recv(cx).map(|chunk| chunk.map(|chunk| chunk.map(Frame::data)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.source, Source::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Whole(Some(bytes)) => SizeHint::with_exact(bytes.len() as u64),
            Source::Paced(_, Some(length_bytes)) => SizeHint::with_exact(*length_bytes),
            // Not an exact size of 0: hyper would send it as the content length of a HEAD response.
            Source::Whole(None) | Source::Paced(_, None) => SizeHint::default(),
        }
    }
}
