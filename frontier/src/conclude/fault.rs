//! What follows a request that brought nothing usable: another try, a rest, or the end.

use crate::answer::Answer;
use crate::backoff::backoff;
use crate::bounds::{PARKED_MAX, RETRY_AFTER_MAX, TRIES_MAX};
use crate::outcome::{ErrorKind, Outcome};
use crate::timestamp::Timestamp;

use super::{Conclusion, Context};

/// What a fault asks for besides an end of the task.
pub(super) struct Fault {
    /// The fault, as the request's record tells it.
    pub(super) error: ErrorKind,
    /// The rest of the whole host.
    pub(super) cooldown_until: Option<Timestamp>,
    /// The task's next try, unless it is given up; or the end of the time for which the host is parked.
    pub(super) sequel: Sequel,
}

/// Whether a task goes on after a fault.
#[derive(Clone, Copy)]
pub(super) enum Sequel {
    /// No more tries.
    GiveUp,
    /// Another try, not before this.
    Retry(Timestamp),
    /// The host is parked until then; this try does not count.
    Park(Timestamp),
}

impl Fault {
    /// Judges an answer that failed for `cause`.
    pub(super) fn of(context: &Context<'_>, answer: &Answer, cause: ErrorKind) -> Self {
        let own = context.now + backoff(context.attempt, context.jitter);
        let asked = answer.retry_after.filter(|_| asks_for_cooldown(answer.status));
        if let Some(until) = asked.filter(|until| until.since(context.now) > RETRY_AFTER_MAX) {
            let until = until.min(context.now + PARKED_MAX);
            return Self { error: ErrorKind::RateLimited, cooldown_until: None, sequel: Sequel::Park(until) };
        }
        // A server under strain rests as long as it asks for; where it names no moment to come, by our own backoff.
        let cooldown = asked.filter(|until| *until > context.now).unwrap_or(own);
        let cooldown_until = asks_for_cooldown(answer.status).then_some(cooldown);
        let sequel = if context.attempt < TRIES_MAX && is_tried_again(answer.status, cause) {
            Sequel::Retry(cooldown_until.map_or(own, |cooldown| cooldown.max(own)))
        } else {
            Sequel::GiveUp
        };
        Self { error: cause, cooldown_until, sequel }
    }

    /// The conclusion: that of the sequel, or `given_up` where there is none.
    pub(super) fn conclude(
        &self,
        context: &Context<'_>,
        given_up: impl FnOnce() -> Conclusion,
    ) -> Conclusion {
        let mut conclusion = match self.sequel {
            Sequel::GiveUp => given_up(),
            Sequel::Retry(at) => Conclusion::of(context, Outcome::Retry(at)),
            Sequel::Park(at) => {
                let uncounted = Context { attempt: context.attempt.saturating_sub(1), ..*context };
                Conclusion { park_until: Some(at), ..Conclusion::of(&uncounted, Outcome::Retry(at)) }
            }
        };
        conclusion.cooldown_until = self.cooldown_until;
        conclusion
    }
}

/// Too Many Requests and Service Unavailable speak for the whole host.
fn asks_for_cooldown(status: Option<u16>) -> bool {
    matches!(status, Some(429 | 503))
}

/// Whether the same request may well succeed a little later.
///
/// A time-out is not tried again, so that a host that hangs costs one; neither is what the server or its
/// certificate would only say again.
fn is_tried_again(status: Option<u16>, cause: ErrorKind) -> bool {
    match cause {
        ErrorKind::Dns | ErrorKind::Connect | ErrorKind::Incomplete => true,
        ErrorKind::HttpStatus => matches!(status, Some(408 | 429 | 500..=599)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::answer::Answer;
    use crate::bounds::PARKED_MAX;
    use crate::conclude::fixture::{Asked, NOW, after, no_answer, resting, status};
    use crate::outcome::{ErrorKind, Outcome};
    use crate::schedule::NextStep;

    #[test]
    fn passing_faults_are_tried_three_times_one_and_two_seconds_apart() {
        let passing = [
            no_answer(ErrorKind::Dns),
            no_answer(ErrorKind::Connect),
            no_answer(ErrorKind::Incomplete),
            status(500),
            status(502),
            status(504),
            status(599),
        ];
        for answer in &passing {
            let error = answer.error.unwrap_or(ErrorKind::HttpStatus);
            for asked in [Asked::sitemap(), Asked::probe(0, "/sitemap.xml"), Asked::robots()] {
                for (attempt, outcome) in [
                    (1, Outcome::Retry(after(1))),
                    (2, Outcome::Retry(after(2))),
                    (3, Outcome::Failed(error)),
                ] {
                    let asked = Asked {
                        attempt,
                        task: asked.task.clone(),
                        url: asked.url.clone(),
                        ..Asked::sitemap()
                    };
                    let conclusion = asked.answered(answer);
                    assert_eq!(conclusion.ended(), &outcome, "{answer:?}");
                    assert_eq!(conclusion.outcome.as_ref().map(|ended| ended.attempts), Some(attempt));
                    assert_eq!((conclusion.error, conclusion.cooldown_until), (Some(error), None));
                    let next = if attempt == 3 {
                        NextStep::Done
                    } else {
                        NextStep::Retry(after(u64::from(attempt)))
                    };
                    assert_eq!(conclusion.next, next);
                }
            }
        }
    }

    #[test]
    fn a_sitemap_is_tried_again_when_the_server_waited_in_vain_for_the_request() {
        assert_eq!(Asked::sitemap().answered(&status(408)).ended(), &Outcome::Retry(after(1)));
    }

    #[test]
    fn lasting_faults_are_not_tried_again() {
        for error in [
            ErrorKind::Timeout,
            ErrorKind::Tls,
            ErrorKind::Protocol,
            ErrorKind::BlockedAddress,
            ErrorKind::BadUrl,
            ErrorKind::TooLarge,
            ErrorKind::Decode,
        ] {
            let conclusion = Asked::sitemap().answered(&no_answer(error));
            assert_eq!((conclusion.ended(), conclusion.error), (&Outcome::Failed(error), Some(error)));
        }
        for code in [101, 400, 401, 403, 404, 410, 451, 999] {
            let conclusion = Asked::sitemap().answered(&status(code));
            assert_eq!(conclusion.ended(), &Outcome::Failed(ErrorKind::HttpStatus), "{code}");
        }
    }

    #[test]
    fn a_retry_after_of_two_minutes_rests_the_whole_host() {
        for code in [429, 503] {
            for asked in [Asked::sitemap(), Asked::robots()] {
                let conclusion = asked.answered(&resting(code, 120));
                assert_eq!(conclusion.ended(), &Outcome::Retry(after(120)));
                assert_eq!((conclusion.cooldown_until, conclusion.park_until), (Some(after(120)), None));
                assert_eq!(conclusion.error, Some(ErrorKind::HttpStatus));
            }
        }
    }

    #[test]
    fn the_host_rests_even_when_the_task_is_given_up() {
        let conclusion = Asked { attempt: 3, ..Asked::sitemap() }.answered(&resting(429, 30));
        assert_eq!(conclusion.ended(), &Outcome::Failed(ErrorKind::HttpStatus));
        assert_eq!(conclusion.cooldown_until, Some(after(30)));
    }

    #[test]
    fn a_longer_retry_after_parks_the_host_and_costs_no_try() {
        for attempt in 1..=3 {
            let conclusion = Asked { attempt, ..Asked::sitemap() }.answered(&resting(503, 121));
            assert_eq!(conclusion.ended(), &Outcome::Retry(after(121)));
            assert_eq!(conclusion.next, NextStep::Retry(after(121)));
            assert_eq!((conclusion.cooldown_until, conclusion.park_until), (None, Some(after(121))));
            assert_eq!(conclusion.outcome.map(|ended| ended.attempts), Some(attempt - 1));
            assert_eq!(conclusion.error, Some(ErrorKind::RateLimited));
        }
        let for_ever = Asked::sitemap().answered(&resting(503, u64::MAX));
        assert_eq!(for_ever.park_until, Some(NOW + PARKED_MAX));
    }

    #[test]
    fn a_parked_robots_txt_says_nothing_about_the_rules() {
        let conclusion = Asked::robots().answered(&resting(429, 3600));
        assert_eq!((conclusion.ended(), &conclusion.robots), (&Outcome::Retry(after(3600)), &None));
    }

    #[test]
    fn without_a_date_or_with_one_that_has_passed_the_host_rests_by_our_own_backoff() {
        let asked = Asked { attempt: 2, ..Asked::sitemap() };
        let plain = asked.answered(&status(429));
        assert_eq!((plain.ended(), plain.cooldown_until), (&Outcome::Retry(after(2)), Some(after(2))));
        for moment in [NOW, NOW - Duration::from_secs(60)] {
            let past = asked.answered(&Answer { retry_after: Some(moment), ..status(503) });
            assert_eq!((past.ended(), past.cooldown_until), (&Outcome::Retry(after(2)), Some(after(2))));
        }
    }

    #[test]
    fn a_retry_after_on_any_other_status_is_not_heard() {
        let conclusion = Asked::sitemap().answered(&resting(500, 3600));
        assert_eq!((conclusion.ended(), conclusion.park_until), (&Outcome::Retry(after(1)), None));
        assert_eq!(conclusion.cooldown_until, None);
    }
}
