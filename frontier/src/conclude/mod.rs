//! What an answer means: how the task ends or goes on, what it leads to, and what its host must be spared.
//!
//! The rules are those of the crawl, and nothing else decides them: tries and backoff, redirects, rests and
//! parking, what a robots.txt says and what its absence says, which bodies count, which of several partial
//! readings is kept. All of it is pure: the moment and the jitter are part of the [`Context`].

mod fault;
mod redirect;
mod robots_txt;
mod sitemap;

use std::collections::BTreeMap;

pub use robots_txt::conclude_known;

use crate::answer::Answer;
use crate::discovery::FoundLinks;
use crate::host::Host;
use crate::outcome::{ErrorKind, Outcome, TaskOutcome};
use crate::schedule::NextStep;
use crate::scope::Scope;
use crate::task::{NewTask, Task, TaskKind};
use crate::timestamp::Timestamp;
use crate::work_queue::RobotsRecord;

/// The request that was answered, and what is known besides.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The task's host. The request may have gone to another only in following a robots.txt.
    pub host: &'a Host,
    /// The task.
    pub task: &'a Task,
    /// The URL that was asked, normalised: the task's own, or where redirects led.
    pub url: &'a str,
    /// Redirects followed in place before this request, within this try.
    pub hop: u8,
    /// Which try of the task this is, from 1; redirects followed in place do not count.
    pub attempt: u8,
    /// The bounds of the crawl.
    pub scope: &'a Scope,
    /// The last rules of the host, however old.
    pub cached_rules: Option<&'a RobotsRecord>,
    /// The partial reading of an earlier try whose rows, or children, are held, see [`Rows::HoldAsBest`].
    pub best: Option<&'a Answer>,
    /// When the answer had ended.
    pub now: Timestamp,
    /// Evenly spread over 0..1.
    pub jitter: f64,
}

/// What becomes of the rows that were read, or of the children that an index named.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rows {
    /// They are committed with the outcome; rows held before are dropped.
    Commit,
    /// They are held, and the answer with them as [`Context::best`]; rows held before are dropped.
    HoldAsBest,
    /// They are dropped, and the rows held before are committed with the outcome.
    CommitHeld,
    /// They are dropped. Rows held before stay held while the task goes on, and are dropped when it has ended.
    Drop,
}

/// What an answer means.
#[derive(Clone, PartialEq, Debug)]
pub struct Conclusion {
    /// How the task ended, or that it is to be tried again; `None` while a redirect is followed in place.
    pub outcome: Option<TaskOutcome>,
    /// What it leads to.
    pub found: Vec<NewTask>,
    /// The rules of the host from now on.
    pub robots: Option<RobotsRecord>,
    /// What the schedule does with the request.
    pub next: NextStep,
    /// The whole host is left in peace until then.
    pub cooldown_until: Option<Timestamp>,
    /// The host is put aside until then, and the run does not wait for it.
    pub park_until: Option<Timestamp>,
    /// What was wrong with this request.
    pub error: Option<ErrorKind>,
    /// What becomes of the rows, and of the children of an index.
    pub rows: Rows,
}

/// What `answer` means for the task in `context`.
pub fn conclude(context: &Context<'_>, answer: &Answer) -> Conclusion {
    match context.task.kind {
        TaskKind::Robots => robots_txt::conclude(context, answer),
        TaskKind::Sitemap | TaskKind::Probe(_) => sitemap::conclude(context, answer),
    }
}

impl Conclusion {
    /// The task comes to `outcome`, nothing else happens.
    fn of(context: &Context<'_>, outcome: Outcome) -> Self {
        let next = match outcome {
            Outcome::Retry(at) => NextStep::Retry(at),
            _ => NextStep::Done,
        };
        let outcome = TaskOutcome {
            task: context.task.id,
            outcome,
            attempts: context.attempt,
            read_as: None,
            refused: BTreeMap::new(),
        };
        Self { outcome: Some(outcome), next, ..Self::of_next(NextStep::Done) }
    }

    /// The redirect to `url` is followed in place.
    fn follow(context: &Context<'_>, url: String) -> Self {
        Self::of_next(NextStep::Follow(url, context.hop.saturating_add(1)))
    }

    /// What the task's document leads to, and what of it is refused.
    fn lead_to(&mut self, links: FoundLinks) {
        self.found.extend(links.found);
        if let Some(ended) = &mut self.outcome {
            ended.refused = links.refused;
        }
    }

    fn of_next(next: NextStep) -> Self {
        Self {
            outcome: None,
            found: Vec::new(),
            robots: None,
            next,
            cooldown_until: None,
            park_until: None,
            error: None,
            rows: Rows::Drop,
        }
    }
}

#[cfg(test)]
mod fixture;

#[cfg(test)]
mod tests {
    use proptest::option;
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::fixture::{Asked, NOW, after, cached, days_ago, index, part, rules, status, urlset};
    use super::*;
    use crate::account::Account;
    use crate::bounds::{REDIRECTS_MAX, TRIES_MAX};
    use crate::discovery::LAST_GUESS;
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

    fn any_asked() -> impl Strategy<Value = Asked> {
        let kinds =
            vec![TaskKind::Robots, TaskKind::Sitemap, TaskKind::Probe(0), TaskKind::Probe(7), LAST_GUESS];
        let best = option::of((1..3_u64).prop_map(|entries| part(entries, ErrorKind::Incomplete)));
        let known =
            option::of((0..60_u64).prop_map(|days| cached("Sitemap: /sitemap_index.xml", days_ago(days))));
        (select(kinds), 1..=TRIES_MAX, 0..=REDIRECTS_MAX, 0..=REDIRECTS_MAX, best, known).prop_map(
            |(kind, attempt, hop, hops, best, known)| {
                let mut asked = match kind {
                    TaskKind::Robots => Asked::robots(),
                    kind => Asked { best, ..Asked::new("https://a.example/sitemap.xml", kind) },
                };
                asked.task.hops = hops;
                Asked { attempt, hop, cached: known, ..asked }
            },
        )
    }

    proptest! {
        #[test]
        fn whatever_comes_the_task_either_goes_on_or_ends(asked in any_asked(), answer in any_answer()) {
            let conclusion = asked.answered(&answer);
            let outcome = conclusion.outcome.as_ref().map(|ended| &ended.outcome);
            match (&conclusion.next, outcome) {
                (NextStep::Follow(url, hop), None) => {
                    prop_assert_eq!(normal_url(url).map(String::from), Some(url.clone()));
                    prop_assert_eq!(*hop, asked.hop + 1);
                    prop_assert!(*hop <= REDIRECTS_MAX);
                }
                (NextStep::Retry(at), Some(Outcome::Retry(pending_until))) => {
                    prop_assert_eq!(at, pending_until);
                    prop_assert!(*at > NOW);
                    prop_assert!(asked.attempt < TRIES_MAX || conclusion.park_until.is_some());
                }
                (NextStep::Done, Some(ended)) => prop_assert!(!matches!(ended, Outcome::Retry(_))),
                other => prop_assert!(false, "{other:?}"),
            }
            if conclusion.next != NextStep::Done {
                prop_assert!(conclusion.found.is_empty() && conclusion.robots.is_none());
            }
        }

        #[test]
        fn whatever_comes_rows_are_committed_with_a_document_and_only_then(asked in any_asked(), answer in any_answer()) {
            let conclusion = asked.answered(&answer);
            let outcome = conclusion.outcome.as_ref().map(|ended| &ended.outcome);
            let commits = matches!(conclusion.rows, Rows::Commit | Rows::CommitHeld);
            let is_sitemap = asked.task.kind != TaskKind::Robots;
            prop_assert_eq!(commits, is_sitemap && matches!(outcome, Some(Outcome::Fetched(_))));
            prop_assert!(conclusion.rows != Rows::CommitHeld || asked.best.is_some());
            // What was read is given up for the document's new place alone.
            if asked.best.is_some() && conclusion.next == NextStep::Done {
                prop_assert!(commits || outcome == Some(&Outcome::Redirected));
            }
        }

        #[test]
        fn whatever_comes_the_account_adds_up_and_what_is_found_can_be_taken_on(
            asked in any_asked(),
            answer in any_answer(),
        ) {
            let conclusion = asked.answered(&answer);
            for NewTask { host, task, found_on } in &conclusion.found {
                prop_assert_eq!(task.id, crate::task::TaskId::of(host.id(), &task.url));
                prop_assert_eq!(normal_url(&task.url).map(String::from), Some(task.url.clone()));
                prop_assert_eq!((*found_on, task.attempts), (Some(asked.host.id()), 0));
                prop_assert!(task.hops <= REDIRECTS_MAX && task.depth <= 1);
            }
            let Some(ended) = &conclusion.outcome else { return Ok(()) };
            let mut account = Account::default();
            account.take_on(asked.task.kind);
            account.settle(asked.task.kind, ended);
            prop_assert!(account.adds_up());
            prop_assert_eq!(account.unfinished(), u64::from(conclusion.next != NextStep::Done));
            if let Outcome::Failed(_) = ended.outcome {
                prop_assert!(conclusion.error.is_some(), "a failure shows in the record of its request");
            }
        }
    }

    #[test]
    fn an_answer_without_anything_is_a_fault_of_the_protocol() {
        let conclusion = Asked::sitemap().answered(&Answer::default());
        assert_eq!(conclusion.ended(), &Outcome::Failed(ErrorKind::Protocol));
        assert_eq!(Asked::sitemap().answered(&status(200)).error, Some(ErrorKind::NotASitemap));
    }
}
