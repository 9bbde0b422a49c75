//! How a task ended, and the kinds of error.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::task::TaskId;
use crate::timestamp::Timestamp;
use crate::validator::Validator;

macro_rules! kinds {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
        pub enum $name { $($(#[$doc])* $variant,)* }

        impl $name {
            /// All variants.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The variant's name in every output.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

kinds! {
    /// What a document is, told by its bytes.
    DocumentKind {
        /// A sitemap of URLs.
        Urlset = "urlset",
        /// A sitemap index.
        Index = "sitemapindex",
        /// A URL per line.
        Text = "text",
        /// An RSS feed.
        Rss = "rss",
        /// An Atom feed.
        Atom = "atom",
        /// A robots.txt.
        Robots = "robots",
    }
}

kinds! {
    /// Why something was not fetched or not read completely.
    ErrorKind {
        /// The name could not be resolved.
        Dns = "dns",
        /// No connection could be made, or it was reset.
        Connect = "connect",
        /// The TLS handshake failed.
        Tls = "tls",
        /// A stage, or the whole fetch, took longer than allowed.
        Timeout = "timeout",
        /// The answer is not valid HTTP.
        Protocol = "protocol",
        /// The connection ended before the body was complete.
        Incomplete = "incomplete",
        /// The HTTP status brings no document.
        HttpStatus = "http_status",
        /// Too many redirects, or a redirect without a valid target.
        Redirect = "redirect",
        /// The body or the document exceeds the size limit.
        TooLarge = "too_large",
        /// The body cannot be decompressed.
        Decode = "decode",
        /// The document is truncated or is malformed XML.
        Parse = "parse",
        /// The body is not a sitemap.
        NotASitemap = "not_a_sitemap",
        /// The address is private, and `--allow-private` is off.
        BlockedAddress = "blocked_address",
        /// The port belongs to another protocol, and neither a seed nor `--connect-to` names it.
        BlockedPort = "blocked_port",
        /// The URL cannot be fetched.
        BadUrl = "bad_url",
        /// robots.txt forbids the URL.
        RobotsDisallowed = "robots_disallowed",
        /// robots.txt is unreachable, so no other request is allowed (RFC 9309 section 2.3.1.4).
        RobotsUnreachable = "robots_unreachable",
        /// robots.txt asks for a longer delay than [`crate::politeness::CRAWL_DELAY_MAX`].
        CrawlDelay = "crawl_delay",
        /// The server asked for a longer cooldown than [`crate::bounds::RETRY_AFTER_MAX`].
        RateLimited = "rate_limited",
        /// An index level deeper than `--max-depth`.
        DepthLimit = "depth_limit",
        /// More than `--max-sitemaps` or `--max-children`.
        CountLimit = "count_limit",
        /// The origin of the URL has the same [`crate::HostId`] as another origin of this crawl.
        HostCollision = "host_collision",
    }
}

impl ErrorKind {
    /// Whether a whole host is out of reach because we refuse to connect to it.
    pub fn is_blocked(self) -> bool {
        matches!(self, Self::BlockedAddress | Self::BlockedPort)
    }
}

kinds! {
    /// Why a URL that was found is not requested.
    SkipReason {
        /// See [`ErrorKind::DepthLimit`].
        DepthLimit = "depth_limit",
        /// See [`ErrorKind::CountLimit`].
        CountLimit = "count_limit",
        /// `--include` or `--exclude` rules it out. That is the user's choice and not an error.
        Excluded = "excluded",
        /// See [`ErrorKind::BadUrl`].
        BadUrl = "bad_url",
        /// See [`ErrorKind::RobotsDisallowed`].
        RobotsDisallowed = "robots_disallowed",
        /// See [`ErrorKind::RobotsUnreachable`].
        RobotsUnreachable = "robots_unreachable",
        /// See [`ErrorKind::CrawlDelay`].
        CrawlDelay = "crawl_delay",
        /// See [`ErrorKind::HostCollision`].
        HostCollision = "host_collision",
    }
}

impl SkipReason {
    /// The error that it counts as. `None` if the user asked for it.
    pub fn error(self) -> Option<ErrorKind> {
        match self {
            Self::DepthLimit => Some(ErrorKind::DepthLimit),
            Self::CountLimit => Some(ErrorKind::CountLimit),
            Self::Excluded => None,
            Self::BadUrl => Some(ErrorKind::BadUrl),
            Self::RobotsDisallowed => Some(ErrorKind::RobotsDisallowed),
            Self::RobotsUnreachable => Some(ErrorKind::RobotsUnreachable),
            Self::CrawlDelay => Some(ErrorKind::CrawlDelay),
            Self::HostCollision => Some(ErrorKind::HostCollision),
        }
    }
}

impl Default for DocumentKind {
    /// The most frequent kind.
    fn default() -> Self {
        Self::Urlset
    }
}

/// How a task ended, or that it has not ended yet.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Outcome {
    /// A document was read, possibly not to the end.
    Fetched(FetchedDocument),
    /// The server answered that our copy is current (304).
    NotModified,
    /// Another task has already read its final URL.
    Duplicate,
    /// It redirects to another host. The target is a task of that host.
    Redirected,
    /// Nothing is at a guessed path. That is not an error.
    Absent,
    /// Not requested because of a rule or a limit.
    Skipped(SkipReason),
    /// Given up, with the last error.
    Failed(ErrorKind),
    /// Another attempt follows, not before this moment. The task stays pending.
    Retry(Timestamp),
}

/// Summary of a fetched document.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct FetchedDocument {
    /// The kind of document.
    pub document: DocumentKind,
    /// Number of entries kept. Their rows are in the segment that the same commit registers.
    pub entries: u64,
    /// Number of entries dropped, by reason.
    pub dropped: BTreeMap<Cow<'static, str>, u64>,
    /// Number of problems found while reading.
    pub problems: u64,
    /// Why the document was not read to the end: `incomplete`, `timeout`, `too_large`, `decode`, `parse`, or another
    /// error that ended the connection. `None` if it was read to the end.
    pub truncated: Option<ErrorKind>,
    /// Validator for the next conditional request.
    pub validator: Validator,
}

/// The outcome of a task, with what else its document brought.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TaskOutcome {
    /// The task. A queue ignores outcomes of tasks that are not pending.
    pub task: TaskId,
    /// How it ended.
    pub outcome: Outcome,
    /// Attempts made so far.
    pub attempts: u8,
    /// The URL that redirects within the host led to. It counts as read too.
    pub read_as: Option<TaskId>,
    /// Number of URLs that its document named and that are not accepted, by reason.
    pub refused: BTreeMap<SkipReason, u64>,
    /// Number of URLs that its document named again.
    pub repeats: u64,
    /// Number of commits before this one with tasks of its document, see [`crate::work_queue::Part`].
    pub parts: u32,
}

impl TaskOutcome {
    /// The outcome of a task whose document named nothing, or nothing that was refused.
    pub fn new(task: TaskId, outcome: Outcome, attempts: u8) -> Self {
        Self { task, outcome, attempts, read_as: None, refused: BTreeMap::new(), repeats: 0, parts: 0 }
    }
}
