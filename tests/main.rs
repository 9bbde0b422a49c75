//! What the real `crawl` does, seen from outside, against a web on loopback.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod line {
    mod browser;
    mod command_line;
    mod damage;
    mod extensions;
    mod fetching;
    mod formats;
    mod live;
    mod machine;
    mod memory;
    mod news;
    mod page;
    mod politeness;
    mod readers;
    mod resume;
    pub mod run;
    mod timing;
    mod verdict;
}

mod tidy;
