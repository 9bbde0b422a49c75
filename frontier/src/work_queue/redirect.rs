//! A robots.txt that another host serves: the wait of one host for the answer of another.

use serde::{Deserialize, Serialize};

use crate::host::HostId;
use crate::outcome::ErrorKind;
use crate::timestamp::Timestamp;

/// A redirect of a host's robots.txt to another host (RFC 9309 section 2.3.1.2).
///
/// The other host makes the request, with a task of its own ([`crate::TaskKind::RobotsHop`]), so that its pace and its
/// cooldown apply. Until the answer is committed the host is not leased for its own tasks.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RobotsRedirect {
    /// The URL of the host's robots.txt, then each URL on another host that it was redirected to. The host waits for
    /// the last one.
    pub urls: Vec<String>,
    /// Redirects so far, including those within a host. At most [`crate::bounds::ROBOTS_REDIRECTS_MAX`].
    pub hops: u8,
    /// The part of `hops` that led other hosts to this one, if only they need its robots.txt.
    pub earlier: u8,
    /// When the host's last request was recorded. The time from then until it is leased with the answer counts as
    /// politeness.
    pub since: Timestamp,
    /// The answer, and when it was recorded. `None` while the host waits.
    pub answer: Option<(Timestamp, RedirectAnswer)>,
}

impl RobotsRedirect {
    /// Whether the host waits for the answer.
    pub fn is_waiting(&self) -> bool {
        self.answer.is_none()
    }

    /// The URL that the host's own robots.txt redirects to, unless the answer from there is known.
    pub(crate) fn next(&self) -> Option<&str> {
        let second = self.urls.get(1).map(String::as_str);
        match &self.answer {
            None => second,
            Some((_, RedirectAnswer::Moved(next, _))) => second.or(Some(next)),
            Some(_) => None,
        }
    }

    /// Whether it leads to a URL that was not asked for yet.
    pub(crate) fn leads_on(&self) -> bool {
        matches!(self.answer, Some((_, RedirectAnswer::Moved(..))))
    }

    /// The URL that the host waits for, or whose answer it has.
    pub fn url(&self) -> &str {
        self.urls.last().map_or("", String::as_str)
    }
}

/// What a host learns from the request that another host made for it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum RedirectAnswer {
    /// The rules were read. They are in the host's [`super::RobotsRecord`].
    Read,
    /// There is no robots.txt, so everything is allowed. The host's [`super::RobotsRecord`] says so.
    Absent,
    /// The URL redirects to yet another host: the next URL, and the number of redirects up to it.
    Moved(String, u8),
    /// The URL is out of reach.
    Unreachable(ErrorKind),
    /// The other host is parked until this moment.
    Parked(Timestamp),
}

/// A change of a host's [`RobotsRedirect`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RedirectUpdate {
    /// The host.
    pub host: HostId,
    /// The change.
    pub change: RedirectChange,
}

/// How a [`RobotsRedirect`] changes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum RedirectChange {
    /// The host waits from now on.
    Wait(RobotsRedirect),
    /// This URL was answered. Ignored unless the host waits for it.
    Answer {
        /// The URL.
        url: String,
        /// When the answer was recorded.
        at: Timestamp,
        /// The answer.
        answer: RedirectAnswer,
    },
    /// The host has drawn its conclusion from the answer.
    End,
}
