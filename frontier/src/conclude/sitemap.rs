//! What the answer to a request for a sitemap means, be it named or guessed.

use crate::answer::Answer;
use crate::bounds::REDIRECTS_MAX;
use crate::discovery::{from_redirect, named_sitemaps, next_guess, not_kept};
use crate::host::Host;
use crate::outcome::{ErrorKind, FetchedDocument, Outcome};
use crate::robots::RobotsRules;
use crate::task::{TaskId, TaskKind};

use super::fault::{Fault, Sequel};
use super::redirect::{is_redirect, target};
use super::{Conclusion, Context, Rows};

pub(super) fn conclude(context: &Context<'_>, answer: &Answer) -> Conclusion {
    match answer.status {
        None => fell_short(context, answer, answer.error.unwrap_or(ErrorKind::Protocol)),
        // We ask for the whole and have nothing to compare with: a part, or no body by definition, is no answer.
        Some(204..=206) => fell_short(context, &without_body(answer), ErrorKind::HttpStatus),
        Some(200..=299) => read(context, answer),
        Some(status) if is_redirect(status) => redirected(context, answer),
        Some(_) => fell_short(context, &without_body(answer), ErrorKind::HttpStatus),
    }
}

/// `answer` as if no body had come: what an error page holds is no part of the crawl.
fn without_body(answer: &Answer) -> Answer {
    Answer { status: answer.status, retry_after: answer.retry_after, ..Answer::default() }
}

fn read(context: &Context<'_>, answer: &Answer) -> Conclusion {
    match (&answer.document, cut_short(answer)) {
        (Some(_), None) => fetched(context, answer, Rows::Commit),
        (_, cause) => fell_short(context, answer, cause.unwrap_or(ErrorKind::NotASitemap)),
    }
}

/// Why the document, or the answer, is not whole.
fn cut_short(answer: &Answer) -> Option<ErrorKind> {
    answer.document.as_ref().and_then(|document| document.truncated).or(answer.error)
}

/// Nothing came, or a part: another try, or the best of what all tries brought.
fn fell_short(context: &Context<'_>, answer: &Answer, cause: ErrorKind) -> Conclusion {
    let held = context.best.map_or(0, yield_of);
    let is_best = yield_of(answer) > held;
    let fault = Fault::of(context, answer, cause);
    let conclusion = fault.conclude(context, || match context.best {
        _ if is_best => fetched(context, answer, Rows::Commit),
        Some(best) => fetched(context, best, Rows::CommitHeld),
        None if is_absence(context, answer, cause) => absent(context),
        None => Conclusion { error: Some(cause), ..Conclusion::of(context, Outcome::Failed(cause)) },
    });
    let goes_on = !matches!(fault.sequel, Sequel::GiveUp);
    let is_absent = matches!(&conclusion.outcome, Some(ended) if ended.outcome == Outcome::Absent);
    Conclusion {
        error: (!is_absent).then_some(fault.error),
        rows: if goes_on && is_best { Rows::HoldAsBest } else { conclusion.rows },
        ..conclusion
    }
}

/// What a reading is worth: entries, or the children of an index.
fn yield_of(answer: &Answer) -> u64 {
    answer.document.as_ref().map_or(0, |document| document.entries.saturating_add(answer.children))
}

/// Whether the answer says that nothing is at a guessed path, in a status or by a page that is no sitemap.
fn is_absence(context: &Context<'_>, answer: &Answer, cause: ErrorKind) -> bool {
    let is_guess = matches!(context.task.kind, TaskKind::Probe(_));
    is_guess && (cause == ErrorKind::NotASitemap || matches!(answer.status, Some(204 | 404 | 410)))
}

/// Nothing is at a guessed path: the next guess. Paths that robots.txt names are no guesses.
fn absent(context: &Context<'_>) -> Conclusion {
    let rules = context.cached_rules.and_then(|cached| cached.rules.as_deref()).map(RobotsRules::from_text);
    let robots_url = context.host.url("/robots.txt");
    let named = rules.map(|robots| named_sitemaps(&robots, &robots_url).0).unwrap_or_default();
    let mut conclusion = Conclusion::of(context, Outcome::Absent);
    conclusion.found.extend(next_guess(context.host, context.task, &named));
    conclusion
}

/// The document of `answer`, with what an index names and is not followed.
fn fetched(context: &Context<'_>, answer: &Answer, rows: Rows) -> Conclusion {
    let document = answer.document.clone().unwrap_or_default();
    let is_index = document.is_index;
    let outcome = Outcome::Fetched(FetchedDocument {
        document: document.kind,
        entries: document.entries,
        dropped: document.dropped,
        problems: document.problems,
        truncated: document.truncated.or(answer.error),
        validator: answer.validator.clone(),
    });
    let mut conclusion = Conclusion { rows, ..Conclusion::of(context, outcome) };
    if is_index {
        conclusion.lead_to(not_kept(answer));
    }
    if let Some(ended) = conclusion.outcome.as_mut().filter(|_| context.url != context.task.url) {
        ended.read_as = Some(TaskId::of(context.host.id(), context.url));
    }
    conclusion
}

/// Followed in place within the host; to another host it ends the task, and the target becomes a task there, so
/// that its pace and its rules hold.
fn redirected(context: &Context<'_>, answer: &Answer) -> Conclusion {
    let url = match target(context, answer) {
        Ok(url) => url,
        Err(error) => return fell_short(context, &without_body(answer), error),
    };
    let used = context.task.hops.saturating_add(context.hop);
    let is_loop = [context.url, context.task.url.as_str()].contains(&url.as_str());
    if used >= REDIRECTS_MAX || is_loop {
        return fell_short(context, &without_body(answer), ErrorKind::Redirect);
    }
    if Host::of(&url).as_ref() == Some(context.host) {
        return Conclusion::follow(context, url.into());
    }
    let mut conclusion = Conclusion::of(context, Outcome::Redirected);
    conclusion.found.extend(from_redirect(context.task, &url, used + 1));
    conclusion
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conclude::fixture::{Asked, after, cached, days_ago, index, no_answer, part, status, urlset};
    use crate::outcome::SkipReason;
    use crate::schedule::NextStep;

    fn entries(conclusion: &Conclusion) -> (u64, Option<ErrorKind>) {
        match conclusion.ended() {
            Outcome::Fetched(document) => (document.entries, document.truncated),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_whole_document_is_kept() {
        for code in [200, 203, 226] {
            let mut answer = urlset(7);
            answer.status = Some(code);
            answer.validator.etag = Some("\"7\"".to_owned());
            let conclusion = Asked::sitemap().answered(&answer);
            assert_eq!((entries(&conclusion), conclusion.rows), ((7, None), Rows::Commit));
            assert_eq!((&conclusion.next, conclusion.error), (&NextStep::Done, None));
            assert!(matches!(conclusion.ended(), Outcome::Fetched(d) if d.validator == answer.validator));
        }
    }

    #[test]
    fn after_redirects_the_final_url_counts_as_read_too() {
        let asked = Asked { url: "https://a.example/final.xml".to_owned(), hop: 1, ..Asked::sitemap() };
        let ended = asked.answered(&urlset(1)).outcome.unwrap();
        assert_eq!(ended.task, asked.task.id);
        assert_eq!(ended.read_as, Some(TaskId::of(asked.host.id(), "https://a.example/final.xml")));
        assert_eq!(asked.answered(&status(404)).outcome.unwrap().read_as, None);
        assert_eq!(Asked::sitemap().answered(&urlset(1)).outcome.unwrap().read_as, None);
    }

    #[test]
    fn an_empty_sitemap_is_a_sitemap() {
        assert_eq!(entries(&Asked::sitemap().answered(&urlset(0))), (0, None));
        assert_eq!(entries(&Asked::probe(0, "/sitemap.xml").answered(&urlset(0))), (0, None));
    }

    #[test]
    fn a_listed_url_that_brings_no_sitemap_has_failed() {
        for (answer, error) in [
            (status(404), ErrorKind::HttpStatus),
            (status(410), ErrorKind::HttpStatus),
            (status(204), ErrorKind::HttpStatus),
            (Answer { status: Some(206), ..urlset(7) }, ErrorKind::HttpStatus),
            (Answer { status: Some(404), ..urlset(7) }, ErrorKind::HttpStatus),
            (status(304), ErrorKind::HttpStatus),
            (status(200), ErrorKind::NotASitemap),
            (Answer { error: Some(ErrorKind::NotASitemap), ..status(200) }, ErrorKind::NotASitemap),
            (Answer::default(), ErrorKind::Protocol),
        ] {
            let conclusion = Asked::sitemap().answered(&answer);
            assert_eq!(conclusion.ended(), &Outcome::Failed(error), "{answer:?}");
            assert_eq!((conclusion.error, conclusion.rows), (Some(error), Rows::Drop));
        }
    }

    #[test]
    fn what_was_read_before_a_lasting_fault_is_kept_at_once() {
        for error in [ErrorKind::Parse, ErrorKind::TooLarge, ErrorKind::Decode, ErrorKind::Timeout] {
            let conclusion = Asked::sitemap().answered(&part(5, error));
            assert_eq!((entries(&conclusion), conclusion.rows), ((5, Some(error)), Rows::Commit));
            assert_eq!(conclusion.error, Some(error));
            let nothing_read = Asked::sitemap().answered(&part(0, error));
            assert_eq!(nothing_read.ended(), &Outcome::Failed(error));
        }
    }

    #[test]
    fn of_several_partial_readings_the_one_with_most_entries_is_kept_once() {
        let broken_off = |entries| part(entries, ErrorKind::Incomplete);
        let first = Asked::sitemap().answered(&broken_off(3));
        assert_eq!((first.ended(), first.rows), (&Outcome::Retry(after(1)), Rows::HoldAsBest));

        let mut asked = Asked { attempt: 2, best: Some(broken_off(3)), ..Asked::sitemap() };
        assert_eq!(asked.answered(&broken_off(3)).rows, Rows::Drop, "no more than what is held");
        assert_eq!(asked.answered(&broken_off(4)).rows, Rows::HoldAsBest);
        assert_eq!(asked.answered(&status(500)).rows, Rows::Drop);

        asked.attempt = 3;
        let better = asked.answered(&broken_off(9));
        assert_eq!((entries(&better), better.rows), ((9, Some(ErrorKind::Incomplete)), Rows::Commit));
        for worse in [broken_off(2), status(500), status(404), no_answer(ErrorKind::Timeout)] {
            let conclusion = asked.answered(&worse);
            assert_eq!(
                (entries(&conclusion), conclusion.rows),
                ((3, Some(ErrorKind::Incomplete)), Rows::CommitHeld)
            );
            assert!(conclusion.error.is_some());
        }
    }

    #[test]
    fn a_whole_reading_wins_over_a_longer_partial_one() {
        let asked = Asked { attempt: 2, best: Some(part(9, ErrorKind::Incomplete)), ..Asked::sitemap() };
        let conclusion = asked.answered(&urlset(4));
        assert_eq!((entries(&conclusion), conclusion.rows), ((4, None), Rows::Commit));
    }

    #[test]
    fn a_partial_index_brings_its_children_when_its_outcome_is_final() {
        let cut = Answer { error: Some(ErrorKind::Incomplete), ..index(1) };
        assert_eq!(Asked::sitemap().answered(&cut).rows, Rows::HoldAsBest);
        let asked = Asked { attempt: 3, best: Some(cut), ..Asked::sitemap() };
        assert_eq!(asked.answered(&status(500)).rows, Rows::CommitHeld);
    }

    #[test]
    fn children_that_were_not_kept_are_counted_by_reason() {
        let answer = Answer { children_over: 10, children_bad: 1, ..index(4) };
        let conclusion = Asked::sitemap().answered(&answer);
        let refused = [(SkipReason::BadUrl, 1), (SkipReason::CountLimit, 10)];
        assert_eq!((conclusion.rows, conclusion.outcome.unwrap().refused), (Rows::Commit, refused.into()));
    }

    #[test]
    fn only_an_index_has_children() {
        let answer = Answer { children_over: 1, children_bad: 1, ..urlset(1) };
        let conclusion = Asked::sitemap().answered(&answer);
        assert!(conclusion.outcome.unwrap().refused.is_empty());
    }

    #[test]
    fn nothing_at_a_guessed_path_is_no_error_and_leads_to_the_next_guess() {
        let soft_404 = Answer { error: Some(ErrorKind::NotASitemap), ..status(200) };
        for answer in [status(404), status(410), status(204), status(200), soft_404] {
            let conclusion = Asked::probe(0, "/sitemap.xml").answered(&answer);
            assert_eq!((conclusion.ended(), conclusion.error), (&Outcome::Absent, None), "{answer:?}");
            assert_eq!(conclusion.links(), [("https://a.example/sitemap_index.xml", TaskKind::Probe(1))]);
        }
    }

    #[test]
    fn a_hit_or_a_failure_ends_the_guessing() {
        let asked = Asked { attempt: 3, ..Asked::probe(0, "/sitemap.xml") };
        assert_eq!(asked.answered(&urlset(1)).links(), []);
        for answer in [status(401), status(403), status(500), no_answer(ErrorKind::Timeout)] {
            let conclusion = asked.answered(&answer);
            assert!(matches!(conclusion.ended(), Outcome::Failed(_)));
            assert_eq!(conclusion.links(), []);
        }
    }

    #[test]
    fn guesses_pass_over_what_robots_txt_names_and_end_with_the_list() {
        let known = cached("Sitemap: /sitemap_index.xml\nSitemap: /sitemap-index.xml", days_ago(0));
        let asked = Asked { cached: Some(known), ..Asked::probe(0, "/sitemap.xml") };
        let next = asked.answered(&status(404));
        assert_eq!(next.links(), [("https://a.example/wp-sitemap.xml", TaskKind::Probe(3))]);
        for last in [TaskKind::Probe(7), crate::discovery::LAST_GUESS] {
            let mut asked = Asked::probe(7, "/sitemap/sitemap.xml");
            asked.task.kind = last;
            assert_eq!(asked.answered(&status(404)).links(), []);
        }
    }
}
