//! Decides what an answer means: how the task ends or continues, what it leads to, and how long its host must be
//! left alone.
//!
//! These rules are in no other place: attempts and backoff, redirects, cooldowns and parking, the meaning of a
//! robots.txt and of its absence, which bodies count, and which of several partial readings is kept. They are pure:
//! the time and the jitter are part of the [`Context`].

mod fault;
mod redirect;
mod robots_hop;
mod robots_txt;
mod sitemap;

use std::sync::Arc;

use url::Url;

use crate::answer::Answer;
use crate::discovery::FoundLinks;
use crate::outcome::{ErrorKind, Outcome, TaskOutcome};
use crate::request::{NextStep, Purpose, Step};
use crate::scope::Scope;
use crate::task::{NewTask, TaskKind};
use crate::timestamp::Timestamp;
use crate::work_queue::{RedirectChange, RedirectUpdate, RobotsRecord, RobotsRedirect};

/// The request that was answered, and what is known about its task and host.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The request.
    pub step: &'a Step,
    /// The scope of the crawl.
    pub scope: &'a Scope,
    /// The last robots rules of the host, of any age.
    pub cached_rules: Option<&'a RobotsRecord>,
    /// Where the host's robots.txt was redirected to, if it waits for another host or has the answer.
    pub redirect: Option<&'a RobotsRedirect>,
    /// Until when the host is parked.
    pub parked_until: Option<Timestamp>,
    /// The partial reading of an earlier attempt whose rows or children are held, see [`Rows::HoldAsBest`].
    pub best: Option<&'a Answer>,
    /// When the answer ended.
    pub now: Timestamp,
    /// A random number, evenly distributed over 0..1.
    pub jitter: f64,
}

/// What happens to the rows that were read, or to the children of an index.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Rows {
    /// They are committed with the outcome. Rows held before are dropped.
    Commit,
    /// They are held, together with the answer as [`Context::best`]. Rows held before are dropped.
    HoldAsBest,
    /// They are dropped, and the rows held before are committed with the outcome.
    CommitHeld,
    /// They are dropped. Rows held before stay held while the task continues, and are dropped when it ends.
    #[default]
    Drop,
}

/// What an answer means for its task and its host. By default nothing, except that the task has ended.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Conclusion {
    /// How the task ended, or that another attempt follows. `None` while a redirect is followed within the attempt.
    pub outcome: Option<TaskOutcome>,
    /// The tasks that it leads to.
    pub found: Vec<NewTask>,
    /// The robots rules from now on, if they changed: those of the host, or for a [`TaskKind::RobotsHop`] those of the
    /// host that waits for it.
    pub robots: Option<RobotsRecord>,
    /// What changes for a host whose robots.txt was redirected to another host.
    pub redirect: Option<RedirectUpdate>,
    /// How the schedule continues the task.
    pub next: NextStep,
    /// End of a cooldown for the whole host.
    pub cooldown_until: Option<Timestamp>,
    /// The host is parked until this moment, and the run does not wait for it.
    pub park_until: Option<Timestamp>,
    /// The error of this request.
    pub error: Option<ErrorKind>,
    /// What happens to the rows, and to the children of an index.
    pub rows: Rows,
}

/// Decides what `answer` means for the task in `context`.
///
/// ```
/// use std::sync::Arc;
///
/// use frontier::{Answer, Context, NextStep, Scope, Seed, Step, Timestamp, conclude};
///
/// let seed = Seed::parse("https://a.example/sitemap.xml")?.ok_or("an empty line")?.task();
/// let now = Timestamp::from_micros(1_700_000_000_000_000);
/// let context = Context {
///     step: &Step::new(&Arc::new(seed.host), seed.task),
///     scope: &Scope::default(),
///     cached_rules: None,
///     redirect: None,
///     parked_until: None,
///     best: None,
///     now,
///     jitter: 0.5,
/// };
/// let unavailable = Answer { status: Some(503), ..Answer::default() };
/// assert!(matches!(conclude(&context, &unavailable).next, NextStep::Retry(at) if at > now));
/// let not_found = Answer { status: Some(404), ..Answer::default() };
/// assert_eq!(conclude(&context, &not_found).next, NextStep::Done);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn conclude(context: &Context<'_>, answer: &Answer) -> Conclusion {
    match context.step.task.kind {
        TaskKind::Robots => robots_txt::conclude(context, answer).ending_redirect(context),
        TaskKind::RobotsHop => robots_hop::conclude(context, answer),
        TaskKind::Sitemap | TaskKind::Probe(_) | TaskKind::LastProbe => sitemap::conclude(context, answer),
    }
}

/// The conclusion of a robots.txt request that need not be made, because its answer is known. `None` if it must be made.
///
/// The answer is known if another host was asked for it. For a seed's robots.txt it is also known if the rules were
/// fetched less than a day ago (RFC 9309 section 2.4), because another host's document had led to the host. For a
/// request for another host, see [`TaskKind::RobotsHop`], it is known if the URL is the host's own robots.txt and that
/// was read, or if the host is parked.
pub fn conclude_known(context: &Context<'_>) -> Option<Conclusion> {
    let mut conclusion = match context.step.task.kind {
        TaskKind::Robots => robots_txt::conclude_known(context)?.ending_redirect(context),
        TaskKind::RobotsHop => robots_hop::conclude_known(context)?,
        TaskKind::Sitemap | TaskKind::Probe(_) | TaskKind::LastProbe => return None,
    };
    if context.step.purpose == Purpose::RobotsRefresh {
        // It is not a task of the queue.
        conclusion.outcome = None;
    }
    Some(conclusion)
}

impl Conclusion {
    /// Ends the redirect of the host's robots.txt, unless the task continues or keeps it.
    fn ending_redirect(mut self, context: &Context<'_>) -> Self {
        if self.next == NextStep::Done && context.redirect.is_some() && self.redirect.is_none() {
            self.redirect =
                Some(RedirectUpdate { host: context.step.task.id.host, change: RedirectChange::End });
        }
        self
    }

    /// The task gets `outcome`, and nothing else changes.
    fn of(context: &Context<'_>, outcome: Outcome) -> Self {
        let next = match outcome {
            Outcome::Retry(at) => NextStep::Retry(at),
            _ => NextStep::Done,
        };
        let outcome = TaskOutcome::new(context.step.task.id, outcome, context.step.attempt);
        Self { outcome: Some(outcome), next, ..Self::of_next(NextStep::Done) }
    }

    /// The redirect to `url` is followed within the attempt.
    fn follow(context: &Context<'_>, url: Url) -> Self {
        Self::of_next(NextStep::Follow(Arc::new(url), context.step.hop.saturating_add(1)))
    }

    /// Adds tasks that the document leads to, and the numbers of repeats and of those refused.
    pub fn add_links(&mut self, links: FoundLinks) {
        self.found.extend(links.found);
        if let Some(ended) = &mut self.outcome {
            ended.repeats += links.repeats;
            for (reason, count) in links.refused {
                *ended.refused.entry(reason).or_default() += count;
            }
        }
    }

    fn of_next(next: NextStep) -> Self {
        Self { next, ..Self::default() }
    }
}

#[cfg(test)]
mod fixture;

#[cfg(test)]
mod tests {
    use proptest::option;
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::fixture::{NOW, TestRequest, after, cached, days_ago, index, part, rules, status, urlset};
    use super::*;
    use crate::account::Account;
    use crate::bounds::{ATTEMPTS_MAX, REDIRECTS_MAX, ROBOTS_REDIRECTS_MAX};
    use crate::normal_url::normal_url;

    fn any_answer() -> impl Strategy<Value = Answer> {
        let body = prop_oneof![
            Just(Answer::default()),
            (0..3_u64).prop_map(urlset),
            (0..3_u64, select(ErrorKind::ALL)).prop_map(|(entries, error)| part(entries, error)),
            (0..3_u64).prop_map(index),
            Just(rules("Sitemap: /s.xml\nSitemap: ftp://a.example/")),
            Just(rules("User-agent: *\nCrawl-delay: 99")),
        ];
        let codes = vec![101, 200, 203, 204, 206, 301, 302, 304, 307, 400, 404, 408, 410, 429, 500, 503, 999];
        let places =
            vec!["/t.xml", "https://b.example/sitemap.xml", "ftp://a.example/", "/sitemap.xml", "https://"];
        let head = (option::of(select(codes)), option::of(select(ErrorKind::ALL)));
        let fields = (option::of(0..300_u64), option::of(select(places)));
        (body, head, fields).prop_map(|(body, (status, error), (rest, place))| Answer {
            status,
            error: error.or(body.error),
            retry_after: rest.map(after),
            location: place.map(str::to_owned),
            ..body
        })
    }

    fn any_request() -> impl Strategy<Value = TestRequest> {
        let kinds = vec![
            TaskKind::Robots,
            TaskKind::Sitemap,
            TaskKind::Probe(0),
            TaskKind::Probe(7),
            TaskKind::LastProbe,
        ];
        let best = option::of((1..3_u64).prop_map(|entries| part(entries, ErrorKind::Incomplete)));
        let known =
            option::of((0..60_u64).prop_map(|days| cached("Sitemap: /sitemap_index.xml", days_ago(days))));
        (select(kinds), 1..=ATTEMPTS_MAX, 0..=REDIRECTS_MAX, 0..=REDIRECTS_MAX, best, known).prop_map(
            |(kind, attempt, hop, hops, best, known)| {
                let mut request = match kind {
                    TaskKind::Robots => TestRequest::robots(),
                    kind => TestRequest { best, ..TestRequest::new("https://a.example/sitemap.xml", kind) },
                };
                request.step.task.hops = hops;
                TestRequest { cached: known, ..request.attempt(attempt).hop(hop) }
            },
        )
    }

    proptest! {
        #[test]
        fn whatever_comes_the_task_either_goes_on_or_ends(request in any_request(), answer in any_answer()) {
            let conclusion = request.conclude(&answer);
            let outcome = conclusion.outcome.as_ref().map(|ended| &ended.outcome);
            match (&conclusion.next, outcome) {
                (NextStep::Follow(url, hop), None) => {
                    prop_assert_eq!(normal_url(url.as_str()), Some((**url).clone()));
                    prop_assert_eq!(*hop, request.step.hop + 1);
                    prop_assert!(*hop <= REDIRECTS_MAX);
                }
                (NextStep::Retry(at), Some(Outcome::Retry(pending_until))) => {
                    prop_assert_eq!(at, pending_until);
                    prop_assert!(*at > NOW);
                    prop_assert!(request.step.attempt < ATTEMPTS_MAX || conclusion.park_until.is_some());
                }
                (NextStep::Wait, None) => {
                    let [hop] = conclusion.found.as_slice() else { panic!("one request of another host") };
                    prop_assert!(hop.host != *request.host() && hop.task.hops <= ROBOTS_REDIRECTS_MAX);
                    prop_assert_eq!(hop.task.waiting(), Some(request.host().id()));
                    prop_assert!(conclusion.redirect.is_some());
                }
                (NextStep::Done, Some(ended)) => prop_assert!(!matches!(ended, Outcome::Retry(_))),
                other => prop_assert!(false, "{other:?}"),
            }
            if !matches!(conclusion.next, NextStep::Done | NextStep::Wait) {
                prop_assert!(conclusion.found.is_empty() && conclusion.robots.is_none());
            }
        }

        #[test]
        fn whatever_comes_rows_are_committed_with_a_document_and_only_then(request in any_request(), answer in any_answer()) {
            let conclusion = request.conclude(&answer);
            let outcome = conclusion.outcome.as_ref().map(|ended| &ended.outcome);
            let commits = matches!(conclusion.rows, Rows::Commit | Rows::CommitHeld);
            let is_sitemap = request.step.task.kind != TaskKind::Robots;
            prop_assert_eq!(commits, is_sitemap && matches!(outcome, Some(Outcome::Fetched(_))));
            prop_assert!(conclusion.rows != Rows::CommitHeld || request.best.is_some());
            // Held rows are dropped only if the document has moved to another host.
            if request.best.is_some() && conclusion.next == NextStep::Done {
                prop_assert!(commits || outcome == Some(&Outcome::Redirected));
            }
        }

        #[test]
        fn whatever_comes_the_account_adds_up_and_what_is_found_can_be_taken_on(
            request in any_request(),
            answer in any_answer(),
        ) {
            let conclusion = request.conclude(&answer);
            for NewTask { host, task, found_on } in &conclusion.found {
                let is_hop = task.kind == TaskKind::RobotsHop;
                prop_assert!(is_hop || task.id == crate::task::TaskId::of(host.id(), &task.url));
                prop_assert_eq!(normal_url(&task.url).map(String::from), Some(task.url.clone()));
                prop_assert_eq!((*found_on, task.attempts), (Some(request.host().id()), 0));
                prop_assert!(task.hops <= REDIRECTS_MAX && task.depth <= 1);
            }
            let Some(ended) = &conclusion.outcome else { return Ok(()) };
            let mut account = Account::default();
            account.take_on(request.step.task.kind);
            account.settle(request.step.task.kind, ended);
            prop_assert!(account.adds_up());
            prop_assert_eq!(account.unfinished(), u64::from(conclusion.next != NextStep::Done));
            if let Outcome::Failed(_) = ended.outcome {
                prop_assert!(conclusion.error.is_some(), "a failure shows in the record of its request");
            }
        }
    }

    #[test]
    fn an_empty_answer_is_a_protocol_error() {
        let conclusion = TestRequest::sitemap().conclude(&Answer::default());
        assert_eq!(conclusion.ended(), &Outcome::Failed(ErrorKind::Protocol));
        assert_eq!(TestRequest::sitemap().conclude(&status(200)).error, Some(ErrorKind::NotASitemap));
    }
}
