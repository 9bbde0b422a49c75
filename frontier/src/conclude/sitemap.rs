//! Decides what the answer to a request for a named or guessed sitemap means.

use crate::answer::Answer;
use crate::bounds::REDIRECTS_MAX;
use crate::discovery::{from_redirect, named_sitemaps, next_guess, not_kept};
use crate::host::Host;
use crate::outcome::{DocumentKind, ErrorKind, FetchedDocument, Outcome};
use crate::robots::RobotsRules;
use crate::task::{TaskId, TaskKind};

use super::fault::{Fault, Recovery};
use super::redirect::{is_redirect, target};
use super::{Conclusion, Context, Rows};

pub(super) fn conclude(context: &Context<'_>, answer: &Answer) -> Conclusion {
    match answer.status {
        None => failed(context, answer, answer.error.unwrap_or(ErrorKind::Protocol)),
        // We request the whole document without a condition. A part, or a status that has no body, is not an answer
        // to that.
        Some(204..=206) => failed(context, &without_body(answer), ErrorKind::HttpStatus),
        Some(200..=299) => read(context, answer),
        Some(status) if is_redirect(status) => redirected(context, answer),
        Some(_) => failed(context, &without_body(answer), ErrorKind::HttpStatus),
    }
}

/// `answer` without its body: the contents of an error page are not part of the crawl.
fn without_body(answer: &Answer) -> Answer {
    Answer { status: answer.status, retry_after: answer.retry_after, ..Answer::default() }
}

fn read(context: &Context<'_>, answer: &Answer) -> Conclusion {
    match (&answer.document, truncation(answer)) {
        (Some(_), None) => fetched(context, answer, Rows::Commit),
        (_, cause) => failed(context, answer, cause.unwrap_or(ErrorKind::NotASitemap)),
    }
}

/// Why the document or the answer is incomplete.
fn truncation(answer: &Answer) -> Option<ErrorKind> {
    answer.document.as_ref().and_then(|document| document.truncated).or(answer.error)
}

/// The answer is missing or partial: makes another attempt, or ends with the best reading of all attempts.
fn failed(context: &Context<'_>, answer: &Answer, cause: ErrorKind) -> Conclusion {
    let held = context.best.map_or(0, item_count);
    let is_best = item_count(answer) > held;
    let fault = Fault::of(context, answer, cause);
    let conclusion = fault.conclude(context, || match context.best {
        _ if is_best => fetched(context, answer, Rows::Commit),
        Some(best) => fetched(context, best, Rows::CommitHeld),
        None if is_absence(context, answer, cause) => absent(context),
        None => Conclusion { error: Some(cause), ..Conclusion::of(context, Outcome::Failed(cause)) },
    });
    let goes_on = !matches!(fault.recovery, Recovery::GiveUp);
    let is_absent = matches!(&conclusion.outcome, Some(ended) if ended.outcome == Outcome::Absent);
    Conclusion {
        error: (!is_absent).then_some(fault.error),
        rows: if goes_on && is_best { Rows::HoldAsBest } else { conclusion.rows },
        ..conclusion
    }
}

/// Number of entries, or of the children of an index.
fn item_count(answer: &Answer) -> u64 {
    answer.document.as_ref().map_or(0, |document| document.entries.saturating_add(answer.children))
}

/// Whether the answer says that nothing is at a guessed path, by its status or by a page that is not a sitemap. Of the
/// last guess, every failure says so.
fn is_absence(context: &Context<'_>, answer: &Answer, cause: ErrorKind) -> bool {
    context.step.task.kind == TaskKind::LastProbe
        || context.step.task.kind.is_probe()
            && (cause == ErrorKind::NotASitemap || matches!(answer.status, Some(204 | 404 | 410)))
}

/// Nothing is at a guessed path: continues with the next guess. Paths that robots.txt names are skipped.
fn absent(context: &Context<'_>) -> Conclusion {
    let rules = context.cached_rules.and_then(|cached| cached.rules.as_deref()).map(RobotsRules::from_text);
    let robots_url = context.step.host.url("/robots.txt");
    let named = rules.map(|robots| named_sitemaps(&robots, &robots_url).0).unwrap_or_default();
    let mut conclusion = Conclusion::of(context, Outcome::Absent);
    conclusion.found.extend(next_guess(&context.step.host, &context.step.task, &named));
    conclusion
}

/// Ends the task with the document of `answer`, and counts the children of an index that are not followed.
fn fetched(context: &Context<'_>, answer: &Answer, rows: Rows) -> Conclusion {
    let document = answer.document.clone().unwrap_or_default();
    let is_index = document.kind == DocumentKind::Index;
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
        conclusion.add_links(not_kept(answer));
    }
    if let Some(ended) = conclusion.outcome.as_mut().filter(|_| context.step.url() != context.step.task.url) {
        ended.read_as = Some(TaskId::of(context.step.host.id(), context.step.url()));
    }
    conclusion
}

/// Follows a redirect within the host in the same attempt. A redirect to another host ends the task, and the target
/// becomes a task of that host, so that the other host's pace and robots rules apply.
fn redirected(context: &Context<'_>, answer: &Answer) -> Conclusion {
    let url = match target(context, answer) {
        Ok(url) => url,
        Err(error) => return failed(context, &without_body(answer), error),
    };
    let used = context.step.task.hops.saturating_add(context.step.hop);
    let is_loop = [context.step.url(), context.step.task.url.as_str()].contains(&url.as_str());
    if used >= REDIRECTS_MAX || is_loop {
        return failed(context, &without_body(answer), ErrorKind::Redirect);
    }
    if Host::of(&url).as_ref() == Some(&*context.step.host) {
        return Conclusion::follow(context, url);
    }
    let mut conclusion = Conclusion::of(context, Outcome::Redirected);
    conclusion.found.extend(from_redirect(&context.step.task, &url, used + 1));
    conclusion
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::conclude::fixture::{
        TestRequest, after, cached, days_ago, index, no_answer, part, status, urlset,
    };
    use crate::outcome::SkipReason;
    use crate::request::NextStep;

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
            let conclusion = TestRequest::sitemap().conclude(&answer);
            assert_eq!((entries(&conclusion), conclusion.rows), ((7, None), Rows::Commit));
            assert_eq!((&conclusion.next, conclusion.error), (&NextStep::Done, None));
            assert!(matches!(conclusion.ended(), Outcome::Fetched(d) if d.validator == answer.validator));
        }
    }

    #[test]
    fn after_redirects_the_final_url_counts_as_read_too() {
        let request = TestRequest::sitemap().at("https://a.example/final.xml", 1);
        let ended = request.conclude(&urlset(1)).outcome.unwrap();
        assert_eq!(ended.task, request.step.task.id);
        assert_eq!(ended.read_as, Some(TaskId::of(request.host().id(), "https://a.example/final.xml")));
        assert_eq!(request.conclude(&status(404)).outcome.unwrap().read_as, None);
        assert_eq!(TestRequest::sitemap().conclude(&urlset(1)).outcome.unwrap().read_as, None);
    }

    #[test]
    fn an_empty_sitemap_is_a_sitemap() {
        assert_eq!(entries(&TestRequest::sitemap().conclude(&urlset(0))), (0, None));
        assert_eq!(entries(&TestRequest::probe(0, "/sitemap.xml").conclude(&urlset(0))), (0, None));
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
            let conclusion = TestRequest::sitemap().conclude(&answer);
            assert_eq!(conclusion.ended(), &Outcome::Failed(error), "{answer:?}");
            assert_eq!((conclusion.error, conclusion.rows), (Some(error), Rows::Drop));
        }
    }

    #[test]
    fn entries_read_before_a_lasting_fault_are_kept_at_once() {
        for error in [ErrorKind::Parse, ErrorKind::TooLarge, ErrorKind::Decode, ErrorKind::Timeout] {
            let conclusion = TestRequest::sitemap().conclude(&part(5, error));
            assert_eq!((entries(&conclusion), conclusion.rows), ((5, Some(error)), Rows::Commit));
            assert_eq!(conclusion.error, Some(error));
            let nothing_read = TestRequest::sitemap().conclude(&part(0, error));
            assert_eq!(nothing_read.ended(), &Outcome::Failed(error));
        }
    }

    #[test]
    fn of_several_partial_readings_the_one_with_most_entries_is_kept_once() {
        let broken_off = |entries| part(entries, ErrorKind::Incomplete);
        let first = TestRequest::sitemap().conclude(&broken_off(3));
        assert_eq!((first.ended(), first.rows), (&Outcome::Retry(after(1)), Rows::HoldAsBest));

        let mut request = TestRequest { best: Some(broken_off(3)), ..TestRequest::sitemap().attempt(2) };
        assert_eq!(
            request.conclude(&broken_off(3)).rows,
            Rows::Drop,
            "no more entries than the held reading"
        );
        assert_eq!(request.conclude(&broken_off(4)).rows, Rows::HoldAsBest);
        assert_eq!(request.conclude(&status(500)).rows, Rows::Drop);

        request.step.attempt = 3;
        let better = request.conclude(&broken_off(9));
        assert_eq!((entries(&better), better.rows), ((9, Some(ErrorKind::Incomplete)), Rows::Commit));
        for worse in [broken_off(2), status(500), status(404), no_answer(ErrorKind::Timeout)] {
            let conclusion = request.conclude(&worse);
            assert_eq!(
                (entries(&conclusion), conclusion.rows),
                ((3, Some(ErrorKind::Incomplete)), Rows::CommitHeld)
            );
            assert!(conclusion.error.is_some());
        }
    }

    #[test]
    fn a_whole_reading_wins_over_a_longer_partial_one() {
        let request =
            TestRequest { best: Some(part(9, ErrorKind::Incomplete)), ..TestRequest::sitemap().attempt(2) };
        let conclusion = request.conclude(&urlset(4));
        assert_eq!((entries(&conclusion), conclusion.rows), ((4, None), Rows::Commit));
    }

    #[test]
    fn a_partial_index_brings_its_children_when_its_outcome_is_final() {
        let cut = Answer { error: Some(ErrorKind::Incomplete), ..index(1) };
        assert_eq!(TestRequest::sitemap().conclude(&cut).rows, Rows::HoldAsBest);
        let request = TestRequest { best: Some(cut), ..TestRequest::sitemap().attempt(3) };
        assert_eq!(request.conclude(&status(500)).rows, Rows::CommitHeld);
    }

    #[test]
    fn children_that_were_not_kept_are_counted_by_reason() {
        let refused = BTreeMap::from([(SkipReason::BadUrl, 1), (SkipReason::CountLimit, 10)]);
        let answer = Answer { children_refused: refused.clone(), ..index(4) };
        let conclusion = TestRequest::sitemap().conclude(&answer);
        assert_eq!((conclusion.rows, conclusion.outcome.unwrap().refused), (Rows::Commit, refused));
    }

    #[test]
    fn only_an_index_has_children() {
        let refused = BTreeMap::from([(SkipReason::BadUrl, 1), (SkipReason::CountLimit, 1)]);
        let answer = Answer { children_refused: refused, ..urlset(1) };
        let conclusion = TestRequest::sitemap().conclude(&answer);
        assert!(conclusion.outcome.unwrap().refused.is_empty());
    }

    #[test]
    fn nothing_at_a_guessed_path_is_no_error_and_leads_to_the_next_guess() {
        let soft_404 = Answer { error: Some(ErrorKind::NotASitemap), ..status(200) };
        for answer in [status(404), status(410), status(204), status(200), soft_404] {
            let conclusion = TestRequest::probe(0, "/sitemap.xml").conclude(&answer);
            assert_eq!((conclusion.ended(), conclusion.error), (&Outcome::Absent, None), "{answer:?}");
            assert_eq!(conclusion.links(), [("https://a.example/sitemap_index.xml", TaskKind::Probe(1))]);
        }
    }

    #[test]
    fn a_hit_or_a_failure_ends_the_guessing() {
        let request = TestRequest::probe(0, "/sitemap.xml").attempt(3);
        assert_eq!(request.conclude(&urlset(1)).links(), []);
        for answer in [status(401), status(403), status(500), no_answer(ErrorKind::Timeout)] {
            let conclusion = request.conclude(&answer);
            assert!(matches!(conclusion.ended(), Outcome::Failed(_)));
            assert_eq!(conclusion.links(), []);
        }
    }

    #[test]
    fn no_failure_of_the_last_guess_is_an_error() {
        let mut request = TestRequest::sitemap().attempt(3);
        request.step.task.kind = TaskKind::LastProbe;
        for answer in [status(403), status(404), status(500), status(200), no_answer(ErrorKind::Timeout)] {
            let conclusion = request.conclude(&answer);
            assert_eq!((conclusion.ended(), conclusion.error), (&Outcome::Absent, None), "{answer:?}");
            assert_eq!(conclusion.links(), []);
        }
        assert_eq!(entries(&request.conclude(&urlset(3))), (3, None));
    }

    #[test]
    fn guesses_skip_the_paths_that_robots_txt_names_and_end_with_the_list() {
        let known = cached("Sitemap: /sitemap_index.xml\nSitemap: /sitemap-index.xml", days_ago(0));
        let request = TestRequest { cached: Some(known), ..TestRequest::probe(0, "/sitemap.xml") };
        let next = request.conclude(&status(404));
        assert_eq!(next.links(), [("https://a.example/wp-sitemap.xml", TaskKind::Probe(3))]);
        for last in [TaskKind::Probe(7), TaskKind::LastProbe] {
            let mut request = TestRequest::probe(7, "/sitemap/sitemap.xml");
            request.step.task.kind = last;
            assert_eq!(request.conclude(&status(404)).links(), []);
        }
    }
}
