//! End-to-end tests: the real `crawl` program against a web server on loopback.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a panic fails the test")]

mod end_to_end {
    mod addresses;
    mod answers;
    mod attacks;
    mod bodies;
    mod bounds;
    mod browser;
    mod command_line;
    mod damage;
    mod extensions;
    mod fetching;
    mod formats;
    mod hosts;
    mod idle;
    mod live;
    mod machine;
    mod memory;
    mod news;
    mod options;
    mod output_safety;
    mod page;
    mod politeness;
    mod readers;
    mod rebuilding;
    mod redirected_robots;
    mod reports;
    mod resume;
    mod robots_txt;
    pub mod run;
    mod seeds;
    #[cfg(feature = "shared")]
    mod shared;
    #[cfg(feature = "shared")]
    mod shared_crawl;
    mod sites;
    mod slow;
    mod timing;
    mod trees;
    mod verdict;
}

mod tidy;
