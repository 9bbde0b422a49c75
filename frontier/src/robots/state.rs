//! The state of a host's robots rules, and what they say of a request.

use std::time::Duration;

use url::Url;

use crate::outcome::SkipReason;
use crate::politeness;
use crate::robots::RobotsRules;
use crate::task::TaskKind;
use crate::timestamp::Timestamp;
use crate::work_queue::RobotsRecord;

/// A robots.txt older than this is requested again (RFC 9309 section 2.4).
pub const ROBOTS_AGE_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// The robots rules of a host, as far as they are known.
#[derive(Clone, Debug, Default)]
pub enum RobotsState {
    /// robots.txt was never requested.
    #[default]
    Unknown,
    /// The rules were fetched, or an older copy serves while robots.txt is unreachable.
    Known {
        /// The rules.
        robots: RobotsRules,
        /// When they were fetched.
        fetched_at: Timestamp,
    },
    /// The rules are known but not in memory. They must be parsed again from their record before a task is judged.
    Evicted {
        /// Their Crawl-delay.
        crawl_delay: Option<Duration>,
        /// When they were fetched.
        fetched_at: Timestamp,
    },
    /// robots.txt is unreachable, so nothing else may be requested (RFC 9309 section 2.3.1.4).
    Unreachable {
        /// When the last attempt failed.
        since: Timestamp,
    },
}

impl RobotsState {
    /// The state of the rules that a queue kept.
    pub fn from_record(record: Option<&RobotsRecord>) -> Self {
        match record {
            None => Self::Unknown,
            Some(RobotsRecord { rules: None, fetched_at, .. }) => Self::Unreachable { since: *fetched_at },
            Some(RobotsRecord { rules: Some(text), fetched_at, .. }) => {
                Self::Known { robots: RobotsRules::from_text(text), fetched_at: *fetched_at }
            }
        }
    }

    /// Drops everything except the Crawl-delay and the age.
    pub(crate) fn evict(&mut self) {
        if let Self::Known { robots, fetched_at } = self {
            *self = Self::Evicted { crawl_delay: robots.crawl_delay(), fetched_at: *fetched_at };
        }
    }

    /// When robots.txt was last requested; `None` if never.
    pub fn requested_at(&self) -> Option<Timestamp> {
        match self {
            Self::Unknown => None,
            Self::Known { fetched_at, .. } | Self::Evicted { fetched_at, .. } => Some(*fetched_at),
            Self::Unreachable { since } => Some(*since),
        }
    }

    /// Their Crawl-delay.
    pub fn crawl_delay(&self) -> Option<Duration> {
        match self {
            Self::Known { robots, .. } => robots.crawl_delay(),
            Self::Evicted { crawl_delay, .. } => *crawl_delay,
            Self::Unknown | Self::Unreachable { .. } => None,
        }
    }

    /// Why a request of `kind` for `url` must not be made; `None` if it may be made. robots.txt itself may always be
    /// requested, also for another host. `None` stands for a URL that cannot be parsed.
    pub fn verdict(&self, kind: TaskKind, url: Option<&Url>) -> Option<SkipReason> {
        if matches!(kind, TaskKind::Robots | TaskKind::RobotsHop) {
            return None;
        }
        match self {
            Self::Unknown | Self::Evicted { .. } | Self::Unreachable { .. } => {
                Some(SkipReason::RobotsUnreachable)
            }
            Self::Known { robots, .. } if politeness::is_too_slow(robots.crawl_delay()) => {
                Some(SkipReason::CrawlDelay)
            }
            Self::Known { robots, .. } => match url {
                Some(url) if robots.allows(url) => None,
                Some(_) => Some(SkipReason::RobotsDisallowed),
                None => Some(SkipReason::BadUrl),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://a.example/private/sitemap.xml";

    fn known(text: &str) -> RobotsState {
        RobotsState::Known {
            robots: RobotsRules::parse(text.as_bytes(), "crawler"),
            fetched_at: Timestamp::from_micros(0),
        }
    }

    fn verdict(rules: &RobotsState, kind: TaskKind, url: &str) -> Option<SkipReason> {
        rules.verdict(kind, Url::parse(url).ok().as_ref())
    }

    #[test]
    fn rules_judge_all_but_robots_txt_itself() {
        let rules = known("User-agent: *\nDisallow: /private/\n");
        assert_eq!(verdict(&rules, TaskKind::Sitemap, URL), Some(SkipReason::RobotsDisallowed));
        assert_eq!(verdict(&rules, TaskKind::Robots, URL), None);
        assert_eq!(verdict(&rules, TaskKind::Sitemap, "https://a.example/sitemap.xml"), None);
    }

    #[test]
    fn only_robots_txt_of_a_host_with_unreachable_rules_is_requested() {
        let rules = RobotsState::Unreachable { since: Timestamp::from_micros(0) };
        assert_eq!(verdict(&rules, TaskKind::Probe(0), URL), Some(SkipReason::RobotsUnreachable));
        assert_eq!(verdict(&rules, TaskKind::Robots, URL), None);
    }

    #[test]
    fn a_host_that_wants_more_than_a_minute_between_requests_is_skipped() {
        let url = "https://a.example/sitemap.xml";
        let of = |delay: &str| {
            verdict(&known(&format!("User-agent: *\nCrawl-delay: {delay}\n")), TaskKind::Sitemap, url)
        };
        assert_eq!(of("60"), None);
        assert_eq!(of("60.5"), Some(SkipReason::CrawlDelay));
    }

    #[test]
    fn an_invalid_url_is_skipped_without_a_request() {
        assert_eq!(verdict(&known(""), TaskKind::Sitemap, "no url"), Some(SkipReason::BadUrl));
    }
}
