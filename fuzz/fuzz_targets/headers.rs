//! No header of an answer makes the crawler panic or wait for ever, and a redirect leads to a URL that can be requested.

#![no_main]

mod watch;

use std::time::Duration;

use frontier::answer::retry_after;
use frontier::bounds::{PARKED_MAX, URL_BYTES_MAX};
use frontier::{Answer, Context, NextStep, Purpose, Scope, Seed, Timestamp, conclude, normal_url};
use libfuzzer_sys::fuzz_target;
use url::Url;

const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

// The first byte chooses the status and the kind of task. The rest is the value of both headers.
fuzz_target!(|bytes: &[u8]| {
    let [choice, value @ ..] = bytes else { return };
    watch::in_linear_time(|| {
        check(*choice, &String::from_utf8_lossy(value));
        value.len() as u64
    });
});

fn check(choice: u8, value: &str) {
    let seeds = ["https://www.example.com/a/sitemap.xml", "https://www.example.com"];
    let seed = Seed::parse(seeds[usize::from(choice & 1)]).ok().flatten().expect("a seed").task();
    let status = [301, 302, 303, 307, 308, 429, 503, 200][usize::from(choice >> 1) % 8];
    let until = retry_after(value, NOW);
    let answer = Answer {
        status: Some(status),
        retry_after: until,
        location: Some(value.to_owned()),
        ..Answer::default()
    };
    let context = Context {
        host: &seed.host,
        task: &seed.task,
        purpose: Purpose::Task,
        url: &seed.task.url,
        hop: 0,
        attempt: 1,
        scope: &Scope::default(),
        cached_rules: None,
        redirect: None,
        parked_until: None,
        best: None,
        now: NOW,
        jitter: 0.5,
    };
    let conclusion = conclude(&context, &answer);
    for end in [conclusion.cooldown_until, conclusion.park_until].into_iter().flatten() {
        assert!(end > NOW && end <= NOW + PARKED_MAX + Duration::from_secs(60), "{value:?}: {end:?}");
    }
    if let NextStep::Follow(url, _) = &conclusion.next {
        assert_requestable(url);
    }
    conclusion.found.iter().for_each(|found| assert_requestable(&found.task.url));
}

fn assert_requestable(url: &str) {
    assert_eq!(normal_url(url).as_ref().map(Url::as_str), Some(url), "it is in its normal form");
    assert!(url.len() <= URL_BYTES_MAX && url.bytes().all(|byte| byte.is_ascii_graphic()), "{url}");
    let parsed = Url::parse(url).expect("a redirect leads to a URL");
    assert!(parsed.username().is_empty() && parsed.password().is_none() && parsed.fragment().is_none());
}
