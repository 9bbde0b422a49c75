//! What a host's robots.txt says of its tasks at this moment.

use std::time::Duration;

use url::Url;

use crate::outcome::SkipReason;
use crate::politeness;
use crate::robots::RobotsRules;
use crate::task::TaskKind;
use crate::timestamp::Timestamp;
use crate::work_queue::RobotsRecord;

/// A robots.txt older than this is asked for again (RFC 9309 section 2.4).
pub const ROBOTS_AGE_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// The rules of a host as far as they are known.
#[derive(Clone, Debug, Default)]
pub enum RobotsState {
    /// Its robots.txt was never asked for.
    #[default]
    Unknown,
    /// They were fetched, or an older copy serves because they cannot be had now.
    Known {
        /// The rules.
        robots: RobotsRules,
        /// When they were fetched.
        fetched_at: Timestamp,
    },
    /// They are known, but not at hand: to be read anew from their record before anything is judged.
    Evicted {
        /// The pause they ask for.
        crawl_delay: Option<Duration>,
        /// When they were fetched.
        fetched_at: Timestamp,
    },
    /// They could not be had: nothing but robots.txt may be asked (RFC 9309 section 2.3.1.4).
    Unreachable {
        /// When that turned out.
        since: Timestamp,
    },
}

impl RobotsState {
    /// The rules that a queue kept.
    pub fn from_record(record: Option<&RobotsRecord>) -> Self {
        match record {
            None => Self::Unknown,
            Some(RobotsRecord { rules: None, fetched_at, .. }) => Self::Unreachable { since: *fetched_at },
            Some(RobotsRecord { rules: Some(text), fetched_at, .. }) => {
                Self::Known { robots: RobotsRules::from_text(text), fetched_at: *fetched_at }
            }
        }
    }

    /// Gives up all but what the pace and their age follow from.
    pub(crate) fn evict(&mut self) {
        if let Self::Known { robots, fetched_at } = self {
            *self = Self::Evicted { crawl_delay: robots.crawl_delay(), fetched_at: *fetched_at };
        }
    }

    /// When they were last asked for; `None` if never.
    pub fn asked_at(&self) -> Option<Timestamp> {
        match self {
            Self::Unknown => None,
            Self::Known { fetched_at, .. } | Self::Evicted { fetched_at, .. } => Some(*fetched_at),
            Self::Unreachable { since } => Some(*since),
        }
    }

    /// The pause they ask for.
    pub fn crawl_delay(&self) -> Option<Duration> {
        match self {
            Self::Known { robots, .. } => robots.crawl_delay(),
            Self::Evicted { crawl_delay, .. } => *crawl_delay,
            Self::Unknown | Self::Unreachable { .. } => None,
        }
    }

    /// Why a request of `kind` for `url` is not made; `None` if it may be. robots.txt itself may always be asked.
    pub fn verdict(&self, kind: TaskKind, url: &str) -> Option<SkipReason> {
        if kind == TaskKind::Robots {
            return None;
        }
        match self {
            Self::Unknown | Self::Evicted { .. } | Self::Unreachable { .. } => {
                Some(SkipReason::RobotsUnreachable)
            }
            Self::Known { robots, .. } if politeness::is_too_slow(robots.crawl_delay()) => {
                Some(SkipReason::CrawlDelay)
            }
            Self::Known { robots, .. } => match Url::parse(url) {
                Ok(url) if robots.allows(&url) => None,
                Ok(_) => Some(SkipReason::RobotsDisallowed),
                Err(_) => Some(SkipReason::BadUrl),
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

    #[test]
    fn rules_judge_all_but_robots_txt_itself() {
        let rules = known("User-agent: *\nDisallow: /private/\n");
        assert_eq!(rules.verdict(TaskKind::Sitemap, URL), Some(SkipReason::RobotsDisallowed));
        assert_eq!(rules.verdict(TaskKind::Robots, URL), None);
        assert_eq!(rules.verdict(TaskKind::Sitemap, "https://a.example/sitemap.xml"), None);
    }

    #[test]
    fn a_host_whose_rules_cannot_be_had_is_asked_for_them_alone() {
        let rules = RobotsState::Unreachable { since: Timestamp::from_micros(0) };
        assert_eq!(rules.verdict(TaskKind::Probe(0), URL), Some(SkipReason::RobotsUnreachable));
        assert_eq!(rules.verdict(TaskKind::Robots, URL), None);
    }

    #[test]
    fn a_host_that_wants_more_than_a_minute_between_requests_is_skipped() {
        let url = "https://a.example/sitemap.xml";
        let of = |delay: &str| {
            known(&format!("User-agent: *\nCrawl-delay: {delay}\n")).verdict(TaskKind::Sitemap, url)
        };
        assert_eq!(of("60"), None);
        assert_eq!(of("60.5"), Some(SkipReason::CrawlDelay));
    }

    #[test]
    fn what_is_no_url_is_skipped_and_not_asked() {
        assert_eq!(known("").verdict(TaskKind::Sitemap, "no url"), Some(SkipReason::BadUrl));
    }
}
