//! What the real `crawl` does, seen from outside, against a web on loopback.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod line {
    mod command_line;
    mod fetching;
    mod formats;
    mod news;
    mod politeness;
    mod resume;
    pub mod run;
    mod timing;
}

mod tidy;
