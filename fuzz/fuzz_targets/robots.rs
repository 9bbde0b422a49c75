//! No input makes the robots.txt parser panic, and rules give the same answers after they are written to the queue
//! and read back.

#![no_main]

mod watch;

use frontier::RobotsRules;
use libfuzzer_sys::fuzz_target;
use url::Url;

// The first line of an input is the path to check.
fuzz_target!(|bytes: &[u8]| {
    watch::in_linear_time(|| {
        check(bytes);
        bytes.len() as u64
    });
});

fn check(bytes: &[u8]) {
    let path = bytes.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let url = format!("https://www.example.com/{}", String::from_utf8_lossy(path));
    let Ok(url) = Url::parse(&url) else { return };
    let robots = RobotsRules::parse(bytes, "examplebot");
    let restored = RobotsRules::from_text(&robots.to_text());
    assert_eq!(restored.allows(&url), robots.allows(&url), "{url}");
    assert_eq!(restored.crawl_delay(), robots.crawl_delay());
    assert_eq!(restored.to_text(), robots.to_text());
    let robots_txt = url.join("/robots.txt").expect("the path is valid");
    assert!(robots.allows(&robots_txt));
}
