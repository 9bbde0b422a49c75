//! Decides what the answer to a request for another host's robots.txt means (RFC 9309 section 2.3.1.2).
//!
//! The host that makes the request learns nothing from it but its own cooldowns. The host that waits gets the answer and
//! draws its conclusion when it is leased.

use crate::answer::Answer;
use crate::bounds::ROBOTS_REDIRECTS_MAX;
use crate::host::Host;
use crate::outcome::{ErrorKind, Outcome};
use crate::robots::RobotsRules;
use crate::validator::Validator;
use crate::work_queue::{RedirectAnswer, RedirectChange, RedirectUpdate, RobotsRecord, RobotsRedirect};

use super::fault::Fault;
use super::robots_txt::{Meaning, record};
use super::{Conclusion, Context};

pub(super) fn conclude(context: &Context<'_>, answer: &Answer) -> Conclusion {
    match Meaning::of(context, answer) {
        Meaning::Rules(rules) => {
            let record = record(context, &rules, answer.validator.clone());
            Conclusion { error: answer.error, ..answered(context, RedirectAnswer::Read, Some(record)) }
        }
        // A request that was not conditional is never answered so.
        Meaning::Unchanged => unreachable(context, answer, ErrorKind::HttpStatus),
        Meaning::Absent(error) => {
            let record = record(context, &RobotsRules::allow_all(), Validator::default());
            Conclusion { error, ..answered(context, RedirectAnswer::Absent, Some(record)) }
        }
        Meaning::Moved(url) => {
            let hops = context.step.task.hops.saturating_add(context.step.hop);
            if Host::of(&url).as_ref() == Some(&*context.step.host) && hops < ROBOTS_REDIRECTS_MAX {
                return Conclusion::follow(context, url);
            }
            answered(context, RedirectAnswer::Moved(url.into(), hops), None)
        }
        Meaning::Unreachable(cause) => unreachable(context, answer, cause),
    }
}

/// See [`super::conclude_known`]. The schedule starts the request for the host's own robots.txt only when that was read,
/// or when the host waits for another one itself.
pub(super) fn conclude_known(context: &Context<'_>) -> Option<Conclusion> {
    if let Some(until) = context.parked_until {
        return Some(answered(context, RedirectAnswer::Parked(until), None));
    }
    if context.step.task.url != context.step.host.url("/robots.txt") {
        return None;
    }
    if let Some(next) = context.redirect.and_then(RobotsRedirect::next) {
        return Some(answered(context, RedirectAnswer::Moved(next.to_owned(), context.step.task.hops), None));
    }
    let known = context.cached_rules?;
    Some(match known.rules {
        Some(_) => answered(context, RedirectAnswer::Read, Some(known.clone())),
        None => answered(context, RedirectAnswer::Unreachable(ErrorKind::RobotsUnreachable), None),
    })
}

/// The URL is out of reach. If its host asks for a long pause, the host that waits is parked as well.
fn unreachable(context: &Context<'_>, answer: &Answer, cause: ErrorKind) -> Conclusion {
    let fault = Fault::of(context, answer, cause);
    let given_up = || answered(context, RedirectAnswer::Unreachable(cause), None);
    let mut conclusion = fault.conclude(context, given_up);
    if let Some(until) = conclusion.park_until {
        conclusion = answered(context, RedirectAnswer::Parked(until), None);
        conclusion.park_until = Some(until);
    }
    Conclusion { error: Some(fault.error), ..conclusion }
}

/// The request has ended. `robots` are the rules of the host that waits.
fn answered(context: &Context<'_>, answer: RedirectAnswer, robots: Option<RobotsRecord>) -> Conclusion {
    let outcome = match answer {
        RedirectAnswer::Read => Outcome::NotModified,
        RedirectAnswer::Absent => Outcome::Absent,
        RedirectAnswer::Moved(..) => Outcome::Redirected,
        RedirectAnswer::Unreachable(cause) => Outcome::Failed(cause),
        RedirectAnswer::Parked(_) => Outcome::Failed(ErrorKind::RateLimited),
    };
    let change = RedirectChange::Answer { url: context.step.task.url.clone(), at: context.now, answer };
    let redirect = context.step.task.waiting().map(|host| RedirectUpdate { host, change });
    Conclusion { robots, redirect, ..Conclusion::of(context, outcome) }
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;
    use crate::conclude::fixture::{
        NOW, TestRequest, after, cached, days_ago, follow, no_answer, redirect, rules, status,
    };
    use crate::request::{NextStep, Purpose};
    use crate::task::{Task, TaskKind};

    fn host(url: &str) -> Host {
        Host::of(&Url::parse(url).unwrap()).unwrap()
    }

    /// The request of b.example for a.example, whose robots.txt redirects to `path` there.
    fn hop(path: &str) -> TestRequest {
        let (target, waiting) = (host("https://b.example/"), host("https://a.example/"));
        let url = target.url(path);
        let task = Task::robots_hop(&target, &url, 1, &waiting);
        TestRequest::of(task)
    }

    fn answer_of(conclusion: &Conclusion) -> &RedirectAnswer {
        let update = conclusion.redirect.as_ref().unwrap();
        assert_eq!(update.host, host("https://a.example/").id());
        match &update.change {
            RedirectChange::Answer { answer, at: NOW, .. } => answer,
            other => panic!("{other:?}"),
        }
    }

    /// The robots.txt request of a.example, with the answer from the last of `urls`.
    fn waiting(urls: &[&str], answer: RedirectAnswer) -> TestRequest {
        let urls = urls.iter().map(|url| (*url).to_owned()).collect();
        let redirect =
            RobotsRedirect { urls, hops: 1, earlier: 0, since: days_ago(0), answer: Some((NOW, answer)) };
        TestRequest { redirect: Some(redirect), ..TestRequest::robots() }
    }

    const OWN: &str = "https://a.example/robots.txt";
    const THERE: &str = "https://b.example/r.txt";

    #[test]
    fn another_host_makes_the_request_and_the_first_one_waits() {
        let request = TestRequest::robots().hop(2);
        let conclusion = request.conclude(&redirect(THERE));
        assert_eq!((&conclusion.next, &conclusion.outcome), (&NextStep::Wait, &None));
        let [found] = conclusion.found.as_slice() else { panic!("one task") };
        assert_eq!((found.task.url.as_str(), found.task.kind), (THERE, TaskKind::RobotsHop));
        assert_eq!((found.task.hops, found.task.waiting()), (3, Some(request.host().id())));
        let waits = RobotsRedirect {
            urls: vec![OWN.to_owned(), THERE.to_owned()],
            hops: 3,
            earlier: 0,
            since: NOW,
            answer: None,
        };
        assert_eq!(conclusion.redirect.unwrap().change, RedirectChange::Wait(waits));
    }

    #[test]
    fn rules_and_their_absence_become_those_of_the_host_that_waits() {
        let read = hop("/r.txt").conclude(&rules("User-agent: *\nDisallow: /x\nSitemap: s.xml"));
        assert_eq!(answer_of(&read), &RedirectAnswer::Read);
        let known = TestRequest { cached: read.robots, ..waiting(&[OWN, THERE], RedirectAnswer::Read) };
        let concluded = known.conclude_known().unwrap();
        assert!(matches!(concluded.ended(), Outcome::Fetched(_)));
        assert_eq!(concluded.links(), [("https://b.example/s.xml", TaskKind::Sitemap)]);
        assert_eq!(concluded.redirect.unwrap().change, RedirectChange::End);

        let absent = hop("/r.txt").conclude(&status(404));
        assert_eq!(answer_of(&absent), &RedirectAnswer::Absent);
        let known = TestRequest { cached: absent.robots, ..waiting(&[OWN, THERE], RedirectAnswer::Absent) };
        assert_eq!(known.conclude_known().unwrap().ended(), &Outcome::Absent);
    }

    #[test]
    fn a_refresh_of_rules_learns_the_answer_and_has_no_outcome() {
        let mut known = waiting(&[OWN, THERE], RedirectAnswer::Read);
        known.cached = Some(cached("Sitemap: https://b.example/s.xml", NOW));
        known.step.purpose = Purpose::RobotsRefresh;
        let concluded = known.conclude_known().unwrap();
        assert_eq!((concluded.outcome.clone(), concluded.links()), (None, vec![]));
        assert!(concluded.robots.is_some());
    }

    #[test]
    fn a_redirect_within_the_other_host_is_followed_there_and_one_to_a_third_is_not() {
        let conclusion = hop("/r.txt").conclude(&redirect("/s.txt"));
        assert_eq!(conclusion.next, follow("https://b.example/s.txt", 1));
        let away = hop("/r.txt").hop(1).conclude(&redirect("https://c.example/t"));
        assert_eq!(answer_of(&away), &RedirectAnswer::Moved("https://c.example/t".to_owned(), 2));
        assert_eq!(away.next, NextStep::Done);
    }

    #[test]
    fn a_chain_goes_on_until_a_circle_or_the_sixth_redirect_which_count_as_no_file() {
        let third = "https://c.example/t";
        let moved = |to: &str, hops| waiting(&[OWN, THERE], RedirectAnswer::Moved(to.to_owned(), hops));
        let on = moved(third, 4).conclude_known().unwrap();
        assert_eq!((on.found[0].task.url.as_str(), on.found[0].task.hops), (third, 5));
        let RedirectChange::Wait(redirect) = on.redirect.unwrap().change else { panic!("it waits") };
        assert_eq!(
            (redirect.urls, redirect.since),
            (vec![OWN.to_owned(), THERE.to_owned(), third.to_owned()], days_ago(0))
        );
        // Back to the host itself, at another URL: that is a request of its own.
        let back = moved("https://a.example/r.txt", 1).conclude_known().unwrap();
        assert_eq!(back.next, follow("https://a.example/r.txt", 2));
        for request in [moved(third, 5), moved(THERE, 2)] {
            let conclusion = request.conclude_known().unwrap();
            assert_eq!((conclusion.ended(), conclusion.error), (&Outcome::Absent, Some(ErrorKind::Redirect)));
        }
    }

    #[test]
    fn what_is_out_of_reach_there_is_unreachable_here_after_the_attempts() {
        let request = hop("/r.txt").attempt(1);
        let again = request.conclude(&status(500));
        assert_eq!((again.ended(), again.redirect.is_none()), (&Outcome::Retry(after(1)), true));
        for (answer, cause) in [
            (status(500), ErrorKind::HttpStatus),
            (no_answer(ErrorKind::Connect), ErrorKind::Connect),
            (no_answer(ErrorKind::BlockedAddress), ErrorKind::BlockedAddress),
            (status(304), ErrorKind::HttpStatus),
        ] {
            let conclusion = hop("/r.txt").attempt(3).conclude(&answer);
            assert_eq!(answer_of(&conclusion), &RedirectAnswer::Unreachable(cause));
            let here = waiting(&[OWN, THERE], RedirectAnswer::Unreachable(cause)).conclude_known().unwrap();
            assert_eq!(here.ended(), &Outcome::Failed(cause));
            assert_eq!(here.robots.map(|record| record.rules), Some(None));
        }
    }

    #[test]
    fn a_long_pause_there_parks_both() {
        let mut answer = status(429);
        answer.retry_after = Some(after(3_600));
        let there = hop("/r.txt").conclude(&answer);
        assert_eq!((there.park_until, &there.next), (Some(after(3_600)), &NextStep::Done));
        assert_eq!(answer_of(&there), &RedirectAnswer::Parked(after(3_600)));
        let here = waiting(&[OWN, THERE], RedirectAnswer::Parked(after(3_600))).conclude_known().unwrap();
        assert_eq!((here.park_until, here.ended()), (Some(after(3_600)), &Outcome::Retry(after(3_600))));
        assert_eq!(here.redirect, None, "it is remembered");
        // After its date the host waits for the same URL again.
        let later = waiting(&[OWN, THERE], RedirectAnswer::Parked(days_ago(0))).conclude_known().unwrap();
        assert_eq!((later.next, later.found[0].task.url.as_str()), (NextStep::Wait, THERE));
        // Others that wait for the same host learn it without a request.
        let parked = TestRequest { parked_until: Some(after(3_600)), ..hop("/s.txt") };
        let conclusion = parked.conclude_known().unwrap();
        assert_eq!(answer_of(&conclusion), &RedirectAnswer::Parked(after(3_600)));
    }

    #[test]
    fn the_own_robots_txt_of_the_other_host_is_requested_once() {
        let own = hop("/robots.txt");
        assert_eq!(own.conclude_known(), None);
        let known = cached("User-agent: *\nDisallow: /x", days_ago(0));
        let read =
            TestRequest { cached: Some(known.clone()), ..hop("/robots.txt") }.conclude_known().unwrap();
        assert_eq!((answer_of(&read), read.robots.as_ref()), (&RedirectAnswer::Read, Some(&known)));
        let nothing = RobotsRecord { rules: None, ..known.clone() };
        let failed = TestRequest { cached: Some(nothing), ..hop("/robots.txt") }.conclude_known().unwrap();
        assert_eq!(answer_of(&failed), &RedirectAnswer::Unreachable(ErrorKind::RobotsUnreachable));
        assert_eq!(TestRequest { cached: Some(known), ..hop("/r.txt") }.conclude_known(), None);
        // The other host waits for a third one itself. This one then waits for the same, so no circle holds both up.
        let urls = ["https://b.example/robots.txt", "https://c.example/r.txt"].map(str::to_owned).to_vec();
        let redirect = RobotsRedirect { urls, hops: 1, earlier: 0, since: NOW, answer: None };
        let moved = TestRequest { redirect: Some(redirect), ..hop("/robots.txt") }.conclude_known().unwrap();
        assert_eq!(answer_of(&moved), &RedirectAnswer::Moved("https://c.example/r.txt".to_owned(), 1));
    }
}
