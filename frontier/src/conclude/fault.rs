//! Decides what follows a failed request: another attempt, a cooldown, or the end of the task.

use crate::answer::Answer;
use crate::backoff::backoff;
use crate::bounds::{ATTEMPTS_MAX, PARKED_MAX, RETRY_AFTER_MAX};
use crate::outcome::{ErrorKind, Outcome};
use crate::request::Step;
use crate::timestamp::Timestamp;

use super::{Conclusion, Context};

/// A failed request, and what follows from it.
pub(super) struct Fault {
    /// The error in the request's record.
    pub(super) error: ErrorKind,
    /// End of a cooldown for the whole host.
    pub(super) cooldown_until: Option<Timestamp>,
    /// Whether the task continues.
    pub(super) recovery: Recovery,
}

/// Whether and when a task continues after a fault.
#[derive(Clone, Copy)]
pub(super) enum Recovery {
    /// No more attempts.
    GiveUp,
    /// Another attempt, not before this moment.
    Retry(Timestamp),
    /// The host is parked until this moment. The failed attempt does not count.
    Park(Timestamp),
}

impl Fault {
    /// Decides what follows an answer that failed because of `cause`.
    pub(super) fn of(context: &Context<'_>, answer: &Answer, cause: ErrorKind) -> Self {
        let own = context.now + backoff(context.step.attempt, context.jitter);
        let retry_after = answer.retry_after.filter(|_| asks_for_cooldown(answer));
        if let Some(until) = retry_after.filter(|until| until.since(context.now) > RETRY_AFTER_MAX) {
            let until = until.min(context.now + PARKED_MAX);
            return Self {
                error: ErrorKind::RateLimited,
                cooldown_until: None,
                recovery: Recovery::Park(until),
            };
        }
        // The cooldown lasts as long as the server asks for. If it names no future moment, our own backoff is used.
        let cooldown = retry_after.filter(|until| *until > context.now).unwrap_or(own);
        let cooldown_until = asks_for_cooldown(answer).then_some(cooldown);
        let recovery = if context.step.attempt < ATTEMPTS_MAX && is_transient(answer.status, cause) {
            Recovery::Retry(cooldown_until.map_or(own, |cooldown| cooldown.max(own)))
        } else {
            Recovery::GiveUp
        };
        Self { error: cause, cooldown_until, recovery }
    }

    /// The host is parked until `until`, and its task continues then. The attempt does not count.
    pub(super) fn parked(context: &Context<'_>, until: Timestamp) -> Conclusion {
        let step = Step { attempt: context.step.attempt.saturating_sub(1), ..context.step.clone() };
        let uncounted = Context { step: &step, ..*context };
        Conclusion { park_until: Some(until), ..Conclusion::of(&uncounted, Outcome::Retry(until)) }
    }

    /// The conclusion of the fault. If the task is given up, it is the one that `given_up` returns.
    pub(super) fn conclude(
        &self,
        context: &Context<'_>,
        given_up: impl FnOnce() -> Conclusion,
    ) -> Conclusion {
        let mut conclusion = match self.recovery {
            Recovery::GiveUp => given_up(),
            Recovery::Retry(at) => Conclusion::of(context, Outcome::Retry(at)),
            Recovery::Park(at) => Self::parked(context, at),
        };
        conclusion.cooldown_until = self.cooldown_until;
        conclusion
    }
}

/// Whether `answer` concerns the whole host: Too Many Requests or Service Unavailable (RFC 9110 section 15.6.4, RFC 6585
/// section 4).
fn asks_for_cooldown(answer: &Answer) -> bool {
    matches!(answer.status, Some(429 | 503))
}

/// Whether the same request may succeed a little later.
///
/// A time-out is not retried, so that a host that hangs costs only one. Errors that would only repeat, such as an
/// invalid certificate or a 404, are not retried either.
fn is_transient(status: Option<u16>, cause: ErrorKind) -> bool {
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
    use crate::conclude::fixture::{NOW, TestRequest, after, no_answer, retry_later, status};
    use crate::outcome::{ErrorKind, Outcome};
    use crate::request::NextStep;
    use crate::task::Task;

    #[test]
    fn transient_faults_are_tried_three_times_one_and_two_seconds_apart() {
        let transient = [
            no_answer(ErrorKind::Dns),
            no_answer(ErrorKind::Connect),
            no_answer(ErrorKind::Incomplete),
            status(500),
            status(502),
            status(504),
            status(599),
        ];
        for answer in &transient {
            let error = answer.error.unwrap_or(ErrorKind::HttpStatus);
            for request in
                [TestRequest::sitemap(), TestRequest::probe(0, "/sitemap.xml"), TestRequest::robots()]
            {
                for (attempt, outcome) in [
                    (1, Outcome::Retry(after(1))),
                    (2, Outcome::Retry(after(2))),
                    (3, Outcome::Failed(error)),
                ] {
                    let request = TestRequest::of(Task::clone(&request.step.task)).attempt(attempt);
                    let conclusion = request.conclude(answer);
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
        assert_eq!(TestRequest::sitemap().conclude(&status(408)).ended(), &Outcome::Retry(after(1)));
    }

    #[test]
    fn lasting_faults_are_not_tried_again() {
        for error in [
            ErrorKind::Timeout,
            ErrorKind::Tls,
            ErrorKind::Protocol,
            ErrorKind::BlockedAddress,
            ErrorKind::BlockedPort,
            ErrorKind::BadUrl,
            ErrorKind::TooLarge,
            ErrorKind::Decode,
        ] {
            let conclusion = TestRequest::sitemap().conclude(&no_answer(error));
            assert_eq!((conclusion.ended(), conclusion.error), (&Outcome::Failed(error), Some(error)));
        }
        for code in [101, 400, 401, 403, 404, 410, 451, 999] {
            let conclusion = TestRequest::sitemap().conclude(&status(code));
            assert_eq!(conclusion.ended(), &Outcome::Failed(ErrorKind::HttpStatus), "{code}");
        }
    }

    #[test]
    fn a_retry_after_of_two_minutes_is_a_cooldown_for_the_whole_host() {
        for code in [429, 503] {
            for request in [TestRequest::sitemap(), TestRequest::robots()] {
                let conclusion = request.conclude(&retry_later(code, 120));
                assert_eq!(conclusion.ended(), &Outcome::Retry(after(120)));
                assert_eq!((conclusion.cooldown_until, conclusion.park_until), (Some(after(120)), None));
                assert_eq!(conclusion.error, Some(ErrorKind::HttpStatus));
            }
        }
    }

    #[test]
    fn the_host_has_its_cooldown_even_when_the_task_is_given_up() {
        let conclusion = TestRequest::sitemap().attempt(3).conclude(&retry_later(429, 30));
        assert_eq!(conclusion.ended(), &Outcome::Failed(ErrorKind::HttpStatus));
        assert_eq!(conclusion.cooldown_until, Some(after(30)));
    }

    #[test]
    fn a_longer_retry_after_parks_the_host_and_costs_no_attempt() {
        for attempt in 1..=3 {
            let conclusion = TestRequest::sitemap().attempt(attempt).conclude(&retry_later(503, 121));
            assert_eq!(conclusion.ended(), &Outcome::Retry(after(121)));
            assert_eq!(conclusion.next, NextStep::Retry(after(121)));
            assert_eq!((conclusion.cooldown_until, conclusion.park_until), (None, Some(after(121))));
            assert_eq!(conclusion.outcome.map(|ended| ended.attempts), Some(attempt - 1));
            assert_eq!(conclusion.error, Some(ErrorKind::RateLimited));
        }
        let for_ever = TestRequest::sitemap().conclude(&retry_later(503, u64::MAX));
        assert_eq!(for_ever.park_until, Some(NOW + PARKED_MAX));
    }

    #[test]
    fn a_parked_robots_txt_leaves_the_rules_as_they_are() {
        let conclusion = TestRequest::robots().conclude(&retry_later(429, 3600));
        assert_eq!((conclusion.ended(), &conclusion.robots), (&Outcome::Retry(after(3600)), &None));
    }

    #[test]
    fn without_a_date_or_with_one_that_has_passed_the_cooldown_is_our_own_backoff() {
        let request = TestRequest::sitemap().attempt(2);
        let plain = request.conclude(&status(429));
        assert_eq!((plain.ended(), plain.cooldown_until), (&Outcome::Retry(after(2)), Some(after(2))));
        for moment in [NOW, NOW - Duration::from_secs(60)] {
            let past = request.conclude(&Answer { retry_after: Some(moment), ..status(503) });
            assert_eq!((past.ended(), past.cooldown_until), (&Outcome::Retry(after(2)), Some(after(2))));
        }
    }

    #[test]
    fn a_retry_after_on_any_other_status_is_ignored() {
        let conclusion = TestRequest::sitemap().conclude(&retry_later(500, 3600));
        assert_eq!((conclusion.ended(), conclusion.park_until), (&Outcome::Retry(after(1)), None));
        assert_eq!(conclusion.cooldown_until, None);
    }
}
