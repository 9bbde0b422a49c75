//! No bytes make the reader of robots.txt panic, and rules answer the same after they were written to the queue and
//! read again.

#![no_main]

use frontier::RobotsRules;
use libfuzzer_sys::fuzz_target;
use url::Url;

// The first line is the path that is asked for.
fuzz_target!(|bytes: &[u8]| {
    let path = bytes.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let url = format!("https://www.example.com/{}", String::from_utf8_lossy(path));
    let Ok(url) = Url::parse(&url) else { return };
    let robots = RobotsRules::parse(bytes, "examplebot");
    let again = RobotsRules::from_text(&robots.to_text());
    assert_eq!(again.allows(&url), robots.allows(&url), "{url}");
    assert_eq!(again.crawl_delay(), robots.crawl_delay());
    assert_eq!(again.to_text(), robots.to_text());
    let robots_txt = url.join("/robots.txt").expect("a URL");
    assert!(robots.allows(&robots_txt));
});
