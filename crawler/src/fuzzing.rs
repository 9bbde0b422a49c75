//! What the fuzz targets need of private parts. It is compiled for them alone (`cfg(fuzzing)`).

use frontier::{RateLimiter, Timestamp};

use crate::remembered::Remembered;
use crate::settings::Settings;

/// Reads `text` as the settings of a crawl, takes them over as a worker does, and uses them.
pub fn settings(text: &str) {
    let Ok(remembered) = Remembered::parse(text, "the input") else { return };
    let stored = match remembered.to_text() {
        Ok(stored) => stored,
        Err(error) => panic!("they cannot be stored again: {error}"),
    };
    match Remembered::parse(&stored, "the input").map(|again| again.to_text()) {
        Ok(Ok(again)) => assert_eq!(again, stored),
        _ => panic!("they cannot be read again: {stored}"),
    }
    let mut settings = Settings::default();
    settings.take_over(&remembered.last_session, true);
    assert!(settings.rate >= 0.0 && settings.rate.is_finite(), "a rate of {}", settings.rate);
    assert!((1..=usize::from(crate::HOST_CONCURRENCY_MAX)).contains(&settings.host_concurrency));
    let now = Timestamp::from_micros(1_700_000_000_000_000);
    let limiter = RateLimiter::new(settings.rate);
    for host in [1, 1, 2] {
        let _ = limiter.wait(frontier::HostId(host), now + settings.spacing());
    }
    let _ = remembered.scope.admits("https://www.example.com/news/sitemap.xml");
}
