//! Decides what the answer to a robots.txt request means (RFC 9309 section 2.3.1).

use std::sync::Arc;

use url::Url;

use crate::answer::Answer;
use crate::bounds::{ROBOTS_REDIRECTS_MAX, ROBOTS_STALE_MAX};
use crate::discovery::{FoundLinks, from_robots};
use crate::host::Host;
use crate::outcome::{DocumentKind, ErrorKind, FetchedDocument, Outcome, SkipReason};
use crate::politeness::is_too_slow;
use crate::request::{NextStep, Purpose};
use crate::robots::ROBOTS_AGE_MAX;
use crate::robots::RobotsRules;
use crate::task::{NewTask, Task, TaskKind};
use crate::validator::Validator;
use crate::work_queue::{RedirectAnswer, RedirectChange, RedirectUpdate, RobotsRecord, RobotsRedirect};

use super::fault::Fault;
use super::redirect::{is_redirect, target};
use super::{Conclusion, Context};

/// What an answer says of the robots.txt at its URL.
pub(super) enum Meaning {
    /// These are its rules.
    Rules(RobotsRules),
    /// It has not changed since the rules in [`Context::cached_rules`] were fetched.
    Unchanged,
    /// There is none, so everything is allowed (RFC 9309 section 2.3.1.3). The error, if there was one.
    Absent(Option<ErrorKind>),
    /// It is at this URL.
    Moved(Url),
    /// Nobody knows what it says (RFC 9309 section 2.3.1.4).
    Unreachable(ErrorKind),
}

impl Meaning {
    pub(super) fn of(context: &Context<'_>, answer: &Answer) -> Self {
        let Some(status) = answer.status else {
            return Self::Unreachable(answer.error.unwrap_or(ErrorKind::Protocol));
        };
        match status {
            200..=299 => match answer.error.filter(is_unread) {
                Some(error) => Self::Unreachable(error),
                None => Self::Rules(rules_at(context.step.url(), answer)),
            },
            304 if context.step.task.kind == TaskKind::Robots && is_conditional(context) => Self::Unchanged,
            // Without a valid target it counts as absent (RFC 9309 section 2.3.1.2).
            status if is_redirect(status) => match target(context, answer) {
                Ok(url) => Self::Moved(url),
                Err(error) => Self::Absent(Some(error)),
            },
            400..=499 if status != 429 => Self::Absent(None),
            _ => Self::Unreachable(ErrorKind::HttpStatus),
        }
    }
}

/// Whether `error` means that a rule may be missing: the file is incomplete, or its content coding cannot be
/// decoded. A file over the size limit was read as far as RFC 9309 section 2.5 requires. A file that is not a
/// robots.txt has no rules.
fn is_unread(error: &ErrorKind) -> bool {
    !matches!(error, ErrorKind::TooLarge | ErrorKind::Parse | ErrorKind::NotASitemap)
}

/// Whether the request was conditional on the cached rules.
fn is_conditional(context: &Context<'_>) -> bool {
    context.cached_rules.is_some_and(|cached| cached.rules.is_some() && !cached.validator.is_empty())
}

/// The rules in an answer from `url`, whose sitemaps may be relative to it.
fn rules_at(url: &str, answer: &Answer) -> RobotsRules {
    answer.robots.clone().map_or_else(RobotsRules::allow_all, |rules| rules.resolved_against(url))
}

pub(super) fn conclude(context: &Context<'_>, answer: &Answer) -> Conclusion {
    match Meaning::of(context, answer) {
        Meaning::Rules(rules) => read(context, answer, &rules),
        Meaning::Unchanged => unchanged(context, answer),
        Meaning::Absent(error) => absent(context, error),
        Meaning::Moved(url) => moved(context, url, context.step.task.hops.saturating_add(context.step.hop)),
        Meaning::Unreachable(cause) => unreachable(context, answer, cause),
    }
}

/// See [`super::conclude_known`].
pub(super) fn conclude_known(context: &Context<'_>) -> Option<Conclusion> {
    let answer =
        context.redirect.filter(|_| context.step.hop == 0).and_then(|redirect| redirect.answer.as_ref());
    if let Some((_, answer)) = answer {
        return answered(context, answer);
    }
    let (robots, known) = cached_rules(context)?;
    let is_young = context.now.distance(known.fetched_at) < ROBOTS_AGE_MAX;
    let is_seed_task = context.step.purpose == Purpose::Task;
    (is_young && is_seed_task).then(|| with_rules(context, &robots, known.clone(), Outcome::NotModified))
}

/// The conclusion from what another host was answered. `None` if the rules are not known any more.
fn answered(context: &Context<'_>, answer: &RedirectAnswer) -> Option<Conclusion> {
    Some(match answer {
        RedirectAnswer::Read => {
            let (robots, known) = cached_rules(context)?;
            with_rules(context, &robots, known.clone(), fetched(known.validator.clone()))
        }
        RedirectAnswer::Absent => {
            let (robots, known) = cached_rules(context)?;
            with_rules(context, &robots, known.clone(), Outcome::Absent)
        }
        RedirectAnswer::Moved(url, hops) => match Url::parse(url) {
            Ok(url) => moved(context, url, hops.saturating_sub(not_own(context))),
            Err(_) => absent(context, Some(ErrorKind::BadUrl)),
        },
        RedirectAnswer::Unreachable(cause) => given_up(context, *cause),
        RedirectAnswer::Parked(until) if *until > context.now => Fault::parked(context, *until),
        // The date has passed, so the same URL is asked for again.
        RedirectAnswer::Parked(_) => {
            let redirect = context.redirect?;
            match Url::parse(redirect.url()) {
                Ok(url) => {
                    let hops = redirect.hops.saturating_sub(not_own(context));
                    wait(context, &url, hops, redirect.urls.clone())
                }
                Err(_) => absent(context, Some(ErrorKind::BadUrl)),
            }
        }
    })
}

fn cached_rules<'a>(context: &Context<'a>) -> Option<(RobotsRules, &'a RobotsRecord)> {
    let known = context.cached_rules?;
    Some((RobotsRules::from_text(known.rules.as_deref()?), known))
}

fn fetched(validator: Validator) -> Outcome {
    let document = DocumentKind::Robots;
    Outcome::Fetched(FetchedDocument { document, validator, ..FetchedDocument::default() })
}

/// The record of rules that were read or found to be absent.
pub(super) fn record(context: &Context<'_>, robots: &RobotsRules, validator: Validator) -> RobotsRecord {
    RobotsRecord { fetched_at: context.now, rules: Some(robots.to_text()), validator }
}

fn read(context: &Context<'_>, answer: &Answer, robots: &RobotsRules) -> Conclusion {
    let record = record(context, robots, answer.validator.clone());
    let outcome = fetched(answer.validator.clone());
    Conclusion { error: answer.error, ..with_rules(context, robots, record, outcome) }
}

fn unchanged(context: &Context<'_>, answer: &Answer) -> Conclusion {
    let Some((robots, cached)) = cached_rules(context) else {
        return unreachable(context, answer, ErrorKind::HttpStatus);
    };
    let validator = if answer.validator.is_empty() { &cached.validator } else { &answer.validator };
    let record =
        RobotsRecord { fetched_at: context.now, rules: cached.rules.clone(), validator: validator.clone() };
    with_rules(context, &robots, record, Outcome::NotModified)
}

fn absent(context: &Context<'_>, error: Option<ErrorKind>) -> Conclusion {
    let robots = RobotsRules::allow_all();
    let record = record(context, &robots, Validator::default());
    Conclusion { error, ..with_rules(context, &robots, record, Outcome::Absent) }
}

/// Follows a redirect, which is not the first if there were `hops`. The rules apply to the host of the first request.
///
/// Within the host it is followed within the attempt. Another host makes the request itself, and this one waits. Too
/// many redirects count as no robots.txt (RFC 9309 section 2.3.1.2), and so does one back to a URL on the way. If only
/// other hosts need this robots.txt, `hops` includes the redirects that led them here.
fn moved(context: &Context<'_>, url: Url, hops: u8) -> Conclusion {
    let own = || vec![context.step.host.url("/robots.txt")];
    let mut urls = context.redirect.map_or_else(own, |redirect| redirect.urls.clone());
    let earlier = earlier(context);
    if hops >= ROBOTS_REDIRECTS_MAX && hops.saturating_sub(earlier) < ROBOTS_REDIRECTS_MAX {
        return too_far(context, &url, hops, urls);
    }
    let target = Host::of(&url).filter(|_| hops < ROBOTS_REDIRECTS_MAX);
    let Some(target) = target else { return absent(context, Some(ErrorKind::Redirect)) };
    let hops = hops.saturating_add(1);
    if urls.iter().any(|before| before == url.as_str()) {
        return absent(context, Some(ErrorKind::Redirect));
    }
    if target == *context.step.host {
        return Conclusion::of_next(NextStep::Follow(Arc::new(url), hops.saturating_sub(earlier)));
    }
    urls.push(url.clone().into());
    wait(context, &url, hops, urls)
}

/// The redirects that led other hosts here and count in this request, because only they need this robots.txt.
fn earlier(context: &Context<'_>) -> u8 {
    let of_task = context.step.task.hops;
    if context.step.is_on_behalf() {
        context.redirect.map_or(of_task, |redirect| redirect.earlier)
    } else {
        0
    }
}

/// The redirects that led other hosts here and do not count in this request, because the host needs its robots.txt itself.
fn not_own(context: &Context<'_>) -> u8 {
    context.redirect.map_or(0, |redirect| redirect.earlier).saturating_sub(earlier(context))
}

/// The hosts that need this robots.txt have come too far, so the redirect to `url` is not followed for them. It is kept for
/// them and for this host, which may follow it later.
fn too_far(context: &Context<'_>, url: &Url, hops: u8, urls: Vec<String>) -> Conclusion {
    let answer = Some((context.now, RedirectAnswer::Moved(url.as_str().to_owned(), hops)));
    let kept = RobotsRedirect { urls, hops, earlier: earlier(context), since: context.now, answer };
    let (host, change) = (context.step.task.id.host, RedirectChange::Wait(kept));
    let redirect = Some(RedirectUpdate { host, change });
    Conclusion { redirect, error: Some(ErrorKind::Redirect), ..Conclusion::default() }
}

/// Waits for the answer of another host to `url`, the last of `urls`, which `hops` redirects led to.
fn wait(context: &Context<'_>, url: &Url, hops: u8, urls: Vec<String>) -> Conclusion {
    let Some(target) = Host::of(url) else { return absent(context, Some(ErrorKind::BadUrl)) };
    let host = context.step.task.id.host;
    let task = Task::robots_hop(&target, url.as_str(), hops, &context.step.host);
    let since = context.redirect.map_or(context.now, |redirect| redirect.since);
    let earlier = earlier(context);
    let change = RedirectChange::Wait(RobotsRedirect { urls, hops, earlier, since, answer: None });
    Conclusion {
        found: vec![NewTask { host: target, task, found_on: Some(host) }],
        redirect: Some(RedirectUpdate { host, change }),
        ..Conclusion::of_next(NextStep::Wait)
    }
}

/// robots.txt is unreachable.
fn unreachable(context: &Context<'_>, answer: &Answer, cause: ErrorKind) -> Conclusion {
    let fault = Fault::of(context, answer, cause);
    let conclusion = fault.conclude(context, || given_up(context, cause));
    Conclusion { error: Some(fault.error), ..conclusion }
}

/// robots.txt was unreachable at the last attempt. Nothing else may be requested (RFC 9309 section 2.3.1.4), unless
/// there are earlier rules to use. These keep their date, so that robots.txt is requested again.
fn given_up(context: &Context<'_>, cause: ErrorKind) -> Conclusion {
    let stale = cached_rules(context)
        .filter(|(_, cached)| context.now.distance(cached.fetched_at) < ROBOTS_STALE_MAX);
    if let Some((robots, cached)) = stale {
        return with_rules(context, &robots, cached.clone(), Outcome::Failed(cause));
    }
    let record = RobotsRecord { fetched_at: context.now, rules: None, validator: Validator::default() };
    Conclusion { robots: Some(record), ..Conclusion::of(context, Outcome::Failed(cause)) }
}

/// Sets the rules to `robots`. For the robots.txt of a seed, adds the sitemaps that it leads to.
fn with_rules(
    context: &Context<'_>,
    robots: &RobotsRules,
    record: RobotsRecord,
    outcome: Outcome,
) -> Conclusion {
    let links = match context.step.purpose {
        Purpose::Task => links(context, robots),
        Purpose::RobotsRefresh => FoundLinks::default(),
    };
    let mut conclusion = Conclusion { robots: Some(record), ..Conclusion::of(context, outcome) };
    conclusion.add_links(links);
    conclusion
}

fn links(context: &Context<'_>, robots: &RobotsRules) -> FoundLinks {
    let links =
        from_robots(&context.step.host, &context.step.task, context.step.url(), robots, context.scope.probe);
    if is_too_slow(robots.crawl_delay()) { links.refuse_all(SkipReason::CrawlDelay) } else { links }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conclude::fixture::{
        NOW, TestRequest, after, cached, days_ago, follow, no_answer, redirect, rules, status,
    };
    use crate::scope::{Probe, Scope};

    const FIRST_GUESS: (&str, TaskKind) = ("https://a.example/sitemap.xml", TaskKind::Probe(0));

    fn allows(conclusion: &Conclusion, path: &str) -> bool {
        let text = conclusion.robots.clone().unwrap().rules.unwrap();
        RobotsRules::from_text(&text).allows(&url::Url::parse(&format!("https://a.example{path}")).unwrap())
    }

    /// A request for the robots.txt of a host that only others need, after so many redirects.
    fn on_behalf(hops: u8) -> TestRequest {
        let mut request = TestRequest::robots();
        request.step.purpose = Purpose::RobotsRefresh;
        request.step.task.hops = hops;
        request.step.task.parent = Some(TestRequest::sitemap().step.task.id);
        request
    }

    #[test]
    fn redirects_that_led_others_here_count_and_say_nothing_of_the_own_robots_txt() {
        let last = on_behalf(4).conclude(&redirect("https://b.example/robots.txt"));
        let Some(RedirectUpdate { change: RedirectChange::Wait(waits), .. }) = &last.redirect else {
            panic!("it waits: {last:?}");
        };
        assert_eq!((waits.hops, waits.earlier), (5, 4));
        let there = RedirectAnswer::Moved("https://c.example/robots.txt".to_owned(), 5);
        let redirected = RobotsRedirect { answer: Some((NOW, there.clone())), ..waits.clone() };
        let answered =
            TestRequest { redirect: Some(redirected.clone()), ..on_behalf(4) }.conclude_known().unwrap();
        let direct = on_behalf(5).conclude(&redirect("https://c.example/robots.txt"));
        for beyond in [answered, direct] {
            assert_eq!((&beyond.next, &beyond.robots, beyond.found.len()), (&NextStep::Done, &None, 0));
            let Some(RedirectUpdate { change: RedirectChange::Wait(kept), .. }) = beyond.redirect else {
                panic!("it keeps where the redirect leads");
            };
            assert_eq!(kept.answer, Some((NOW, there.clone())));
        }

        // The host needs its robots.txt itself now. It goes on, and counts its own redirects alone.
        let own =
            TestRequest { redirect: Some(redirected), ..TestRequest::robots() }.conclude_known().unwrap();
        let Some(RedirectUpdate { change: RedirectChange::Wait(waits), .. }) = own.redirect else {
            panic!("it waits for the next host");
        };
        assert_eq!((own.next, waits.hops, waits.earlier), (NextStep::Wait, 2, 0));
        assert_eq!(waits.url(), "https://c.example/robots.txt");
    }

    #[test]
    fn rules_are_recorded_and_lead_to_the_sitemaps_they_name() {
        let request = TestRequest::robots();
        let answer =
            rules("User-agent: *\nDisallow: /private\nSitemap: /s.xml\nSitemap: https://b.example/t.xml\n");
        let conclusion = request.conclude(&answer);
        assert!(
            matches!(conclusion.ended(), Outcome::Fetched(document) if document.document == DocumentKind::Robots)
        );
        assert!(!allows(&conclusion, "/private") && allows(&conclusion, "/s.xml"));
        let sitemaps =
            [("https://a.example/s.xml", TaskKind::Sitemap), ("https://b.example/t.xml", TaskKind::Sitemap)];
        assert_eq!(conclusion.links(), sitemaps);
        assert!(
            conclusion
                .found
                .iter()
                .all(|new| new.task.named_by == [request.host().id()] && new.task.depth == 0)
        );
    }

    #[test]
    fn no_file_allows_everything_and_leads_to_a_guess() {
        for code in [400, 401, 403, 404, 410, 428, 430, 499] {
            let conclusion = TestRequest::robots().conclude(&status(code));
            assert_eq!((conclusion.ended(), conclusion.error), (&Outcome::Absent, None), "{code}");
            assert!(allows(&conclusion, "/any"));
            assert_eq!(conclusion.links(), [FIRST_GUESS]);
        }
    }

    #[test]
    fn an_empty_answer_or_one_that_is_not_text_has_no_rules() {
        for answer in [status(204), status(200), Answer { error: Some(ErrorKind::Parse), ..status(200) }] {
            let conclusion = TestRequest::robots().conclude(&answer);
            assert!(matches!(conclusion.ended(), Outcome::Fetched(_)));
            assert!(allows(&conclusion, "/any"));
        }
    }

    #[test]
    fn a_file_that_cannot_be_decoded_forbids_everything_at_once() {
        let conclusion =
            TestRequest::robots().conclude(&Answer { error: Some(ErrorKind::Decode), ..status(200) });
        assert_eq!(conclusion.ended(), &Outcome::Failed(ErrorKind::Decode));
        assert_eq!(conclusion.robots.map(|record| record.rules), Some(None));
    }

    #[test]
    fn a_file_over_the_ceiling_counts_as_far_as_it_was_read() {
        let answer = Answer { error: Some(ErrorKind::TooLarge), ..rules("User-agent: *\nDisallow: /") };
        assert!(!allows(&TestRequest::robots().conclude(&answer), "/any"));
    }

    #[test]
    fn an_unreachable_file_forbids_everything_after_the_last_attempt() {
        let broken_off = Answer { error: Some(ErrorKind::Incomplete), ..rules("User-agent: *\nAllow: /") };
        for (attempt, answer, cause) in [
            (3, status(500), ErrorKind::HttpStatus),
            (3, status(429), ErrorKind::HttpStatus),
            (3, no_answer(ErrorKind::Dns), ErrorKind::Dns),
            (3, broken_off, ErrorKind::Incomplete),
            (1, no_answer(ErrorKind::Timeout), ErrorKind::Timeout),
            (1, no_answer(ErrorKind::Tls), ErrorKind::Tls),
            (1, no_answer(ErrorKind::BlockedAddress), ErrorKind::BlockedAddress),
            (1, no_answer(ErrorKind::BlockedPort), ErrorKind::BlockedPort),
            (1, status(304), ErrorKind::HttpStatus),
        ] {
            let conclusion = TestRequest::robots().attempt(attempt).conclude(&answer);
            assert_eq!(conclusion.ended(), &Outcome::Failed(cause));
            let nothing = RobotsRecord { fetched_at: NOW, rules: None, validator: Validator::default() };
            assert_eq!(conclusion.robots, Some(nothing));
            assert_eq!((conclusion.links(), conclusion.error), (vec![], Some(cause)));
        }
    }

    #[test]
    fn rules_are_kept_while_attempts_are_left() {
        let conclusion = TestRequest::robots().conclude(&status(502));
        assert_eq!((conclusion.ended(), &conclusion.robots), (&Outcome::Retry(after(1)), &None));
    }

    #[test]
    fn rules_of_the_last_thirty_days_are_used_and_keep_their_date() {
        let known = cached("User-agent: *\nDisallow: /private\nSitemap: /s.xml", days_ago(29));
        let request = TestRequest { cached: Some(known.clone()), ..TestRequest::robots().attempt(3) };
        let conclusion = request.conclude(&status(503));
        assert_eq!(conclusion.robots, Some(known));
        assert_eq!(conclusion.ended(), &Outcome::Failed(ErrorKind::HttpStatus));
        assert_eq!(conclusion.links(), [("https://a.example/s.xml", TaskKind::Sitemap)]);
        let request = TestRequest { cached: Some(cached("", days_ago(30))), ..request };
        assert_eq!(request.conclude(&status(503)).robots.unwrap().rules, None);
    }

    #[test]
    fn an_unchanged_file_makes_its_rules_young_again() {
        let known = cached("User-agent: *\nDisallow: /private\nSitemap: /s.xml", days_ago(2));
        let conclusion =
            TestRequest { cached: Some(known.clone()), ..TestRequest::robots() }.conclude(&status(304));
        assert_eq!(conclusion.robots, Some(RobotsRecord { fetched_at: NOW, ..known }));
        assert_eq!(conclusion.ended(), &Outcome::NotModified);
        assert_eq!(conclusion.links(), [("https://a.example/s.xml", TaskKind::Sitemap)]);
    }

    #[test]
    fn five_redirects_are_followed_in_place_and_the_sixth_counts_as_no_file() {
        for hop in 0..5 {
            let conclusion = TestRequest::robots().hop(hop).conclude(&redirect("/r.txt"));
            assert_eq!(conclusion.next, follow("https://a.example/r.txt", hop + 1));
            assert_eq!((conclusion.outcome, conclusion.robots), (None, None));
        }
        for target in ["/r.txt", "https://www.a.example/robots.txt"] {
            let conclusion = TestRequest::robots().hop(5).conclude(&redirect(target));
            assert_eq!((conclusion.ended(), conclusion.error), (&Outcome::Absent, Some(ErrorKind::Redirect)));
            assert!(allows(&conclusion, "/any"));
        }
    }

    #[test]
    fn a_redirect_that_leads_nowhere_counts_as_no_file() {
        for answer in [status(301), redirect("ftp://a.example/robots.txt"), redirect("https://")] {
            let conclusion = TestRequest::robots().conclude(&answer);
            assert_eq!(conclusion.ended(), &Outcome::Absent);
            assert!(allows(&conclusion, "/any"));
        }
    }

    #[test]
    fn sitemaps_are_relative_to_the_url_of_the_file_even_when_it_is_known_later() {
        let url = "https://a.example/deep/robots.txt".to_owned();
        let request = TestRequest::robots().at(&url, 1);
        let conclusion = request.conclude(&rules("Sitemap: s.xml\nSitemap: HTTPS://b.example/t.xml"));
        let expected = ["https://a.example/deep/s.xml", "https://b.example/t.xml"];
        let urls = |conclusion: &Conclusion| -> Vec<String> {
            conclusion.found.iter().map(|new| new.task.url.clone()).collect()
        };
        assert_eq!(urls(&conclusion), expected);
        let known = TestRequest { cached: conclusion.robots, ..TestRequest::robots() };
        assert_eq!(urls(&known.conclude_known().unwrap()), expected);
    }

    #[test]
    fn a_crawl_delay_over_a_minute_leads_to_nothing_and_says_so() {
        let sitemaps = "Sitemap: /s.xml\nSitemap: /t.xml\nSitemap: ftp://a.example/";
        let slow =
            TestRequest::robots().conclude(&rules(&format!("User-agent: *\nCrawl-delay: 61\n{sitemaps}")));
        assert_eq!(slow.links(), []);
        let refused = slow.outcome.unwrap().refused;
        assert_eq!(refused, [(SkipReason::BadUrl, 1), (SkipReason::CrawlDelay, 2)].into());
        assert!(slow.robots.unwrap().rules.is_some());
        let guess = TestRequest::robots().conclude(&rules("User-agent: *\nCrawl-delay: 3600"));
        assert_eq!(guess.outcome.unwrap().refused, [(SkipReason::CrawlDelay, 1)].into());
        let bearable =
            TestRequest::robots().conclude(&rules(&format!("User-agent: *\nCrawl-delay: 60\n{sitemaps}")));
        assert_eq!(bearable.links().len(), 2);
    }

    #[test]
    fn young_rules_need_no_request_and_lead_to_the_same_sitemaps() {
        let known = cached("User-agent: *\nDisallow: /private\nSitemap: /s.xml", NOW);
        let conclusion_of = |request: &TestRequest| request.conclude_known();
        let conclusion =
            conclusion_of(&TestRequest { cached: Some(known.clone()), ..TestRequest::robots() }).unwrap();
        assert_eq!(conclusion.ended(), &Outcome::NotModified);
        assert_eq!(conclusion.links(), [("https://a.example/s.xml", TaskKind::Sitemap)]);
        let old = TestRequest { cached: Some(cached("", days_ago(1))), ..TestRequest::robots() };
        let unreachable = RobotsRecord { rules: None, ..known.clone() };
        let mut refresh = TestRequest { cached: Some(known.clone()), ..TestRequest::robots() };
        refresh.step.purpose = Purpose::RobotsRefresh;
        let others = [
            old,
            refresh,
            TestRequest { cached: Some(unreachable), ..TestRequest::robots() },
            TestRequest { cached: Some(known), ..TestRequest::sitemap() },
            TestRequest::robots(),
        ];
        assert!(others.iter().all(|request| conclusion_of(request).is_none()));
    }

    #[test]
    fn a_refresh_discovers_nothing() {
        let mut request = TestRequest::robots();
        request.step.purpose = Purpose::RobotsRefresh;
        for answer in [rules("Sitemap: /s.xml"), status(404), rules("User-agent: *\nCrawl-delay: 99")] {
            let conclusion = request.conclude(&answer);
            assert_eq!(conclusion.links(), []);
            assert!(conclusion.robots.is_some() && conclusion.outcome.unwrap().refused.is_empty());
        }
    }

    #[test]
    fn guesses_follow_the_flag() {
        for (probe, file, guesses) in [
            (Probe::Auto, "", 1),
            (Probe::Auto, "Sitemap: /s.xml", 0),
            (Probe::Auto, "Sitemap: mailto:me", 1),
            (Probe::Always, "Sitemap: /s.xml", 1),
            (Probe::Never, "", 0),
        ] {
            let request = TestRequest { scope: Scope { probe, ..Scope::default() }, ..TestRequest::robots() };
            let conclusion = request.conclude(&rules(file));
            let made =
                conclusion.links().iter().filter(|(_, kind)| matches!(kind, TaskKind::Probe(_))).count();
            assert_eq!(made, guesses, "{probe}: {file}");
        }
    }
}
