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
            /// Every one of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name in every output.
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
    /// Why something was not fetched or not read whole.
    ErrorKind {
        /// The name could not be resolved.
        Dns = "dns",
        /// No connection could be made, or it was reset.
        Connect = "connect",
        /// The TLS handshake failed.
        Tls = "tls",
        /// A stage, or the whole fetch, took longer than allowed.
        Timeout = "timeout",
        /// What came is not HTTP.
        Protocol = "protocol",
        /// The body ended before its end.
        Incomplete = "incomplete",
        /// A status that brings no document.
        HttpStatus = "http_status",
        /// Too many redirects, or one that leads nowhere.
        Redirect = "redirect",
        /// Body or document exceed the ceiling.
        TooLarge = "too_large",
        /// The body cannot be inflated.
        Decode = "decode",
        /// The document breaks off or is broken XML.
        Parse = "parse",
        /// The body is no sitemap at all.
        NotASitemap = "not_a_sitemap",
        /// The address is private, and `--allow-private` is off.
        BlockedAddress = "blocked_address",
        /// The URL is none that can be fetched.
        BadUrl = "bad_url",
        /// robots.txt forbids the URL.
        RobotsDisallowed = "robots_disallowed",
        /// robots.txt could not be had, so nothing may be asked (RFC 9309 section 2.3.1.4).
        RobotsUnreachable = "robots_unreachable",
        /// robots.txt asks for a longer delay than we wait.
        CrawlDelay = "crawl_delay",
        /// The server asked for a longer rest than we wait.
        RateLimited = "rate_limited",
        /// An index level deeper than `--max-depth`.
        DepthLimit = "depth_limit",
        /// More than `--max-sitemaps` or `--max-children`.
        CountLimit = "count_limit",
    }
}

kinds! {
    /// Why a URL that was found is not fetched, without a request of its own.
    SkipReason {
        /// See [`ErrorKind::DepthLimit`].
        DepthLimit = "depth_limit",
        /// See [`ErrorKind::CountLimit`].
        CountLimit = "count_limit",
        /// `--include` or `--exclude` left it out: the user's choice, no error.
        Excluded = "excluded",
        /// See [`ErrorKind::BadUrl`].
        BadUrl = "bad_url",
        /// See [`ErrorKind::RobotsDisallowed`].
        RobotsDisallowed = "robots_disallowed",
        /// See [`ErrorKind::RobotsUnreachable`].
        RobotsUnreachable = "robots_unreachable",
        /// See [`ErrorKind::CrawlDelay`].
        CrawlDelay = "crawl_delay",
    }
}

impl SkipReason {
    /// The error it counts as; `None` where the user wanted it so.
    pub fn error(self) -> Option<ErrorKind> {
        match self {
            Self::DepthLimit => Some(ErrorKind::DepthLimit),
            Self::CountLimit => Some(ErrorKind::CountLimit),
            Self::Excluded => None,
            Self::BadUrl => Some(ErrorKind::BadUrl),
            Self::RobotsDisallowed => Some(ErrorKind::RobotsDisallowed),
            Self::RobotsUnreachable => Some(ErrorKind::RobotsUnreachable),
            Self::CrawlDelay => Some(ErrorKind::CrawlDelay),
        }
    }
}

/// How a task ended, or that it did not end yet.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Outcome {
    /// A document was read, perhaps not to its end.
    Fetched(FetchedDocument),
    /// The server says that what we have is current (304).
    NotModified,
    /// Its final URL was read by another task already.
    Duplicate,
    /// It leads to another host; the target is a task of that host.
    Redirected,
    /// Nothing is at a guessed path: no error, and no sitemap found.
    Absent,
    /// Not asked, by a rule or a limit.
    Skipped(SkipReason),
    /// Given up, with what came last.
    Failed(ErrorKind),
    /// To be tried again, not before this moment. The task stays pending.
    Retry(Timestamp),
}

/// What a document held.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct FetchedDocument {
    /// `urlset`, `sitemapindex`, `text`, `rss`, `atom` or `robots`.
    pub document: Cow<'static, str>,
    /// Entries kept; their rows are in the segment that the same commit registers.
    pub entries: u64,
    /// Entries dropped, by reason.
    pub dropped: BTreeMap<Cow<'static, str>, u64>,
    /// Problems met while reading.
    pub problems: u64,
    /// Why the document was not read to its end, where it was not: `incomplete`, `timeout`, `too_large`, `decode` or
    /// `parse`, or what else broke the connection off.
    pub truncated: Option<ErrorKind>,
    /// For the next conditional request.
    pub validator: Validator,
}

/// An outcome with its task and what else the task's document brought.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TaskOutcome {
    /// The task; a queue ignores outcomes of tasks that are not pending.
    pub task: TaskId,
    /// How it ended.
    pub outcome: Outcome,
    /// Tries made so far.
    pub attempts: u8,
    /// Where redirects within the host led: from now on that URL counts as read too.
    pub read_as: Option<TaskId>,
    /// URLs its document named that are not taken on, counted by reason.
    pub refused: BTreeMap<SkipReason, u64>,
}
