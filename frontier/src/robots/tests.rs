use std::time::Duration;

use proptest::prelude::*;

use super::*;

fn robots(text: &str) -> RobotsRules {
    RobotsRules::parse(text.as_bytes(), "sitemap-crawler")
}

fn allows(robots: &RobotsRules, path: &str) -> bool {
    robots.allows(&Url::parse(&format!("https://a.example{path}")).unwrap())
}

#[test]
fn robots_txt_itself_is_always_allowed() {
    for robots in [robots("User-agent: *\nDisallow: /"), RobotsRules::disallow_all()] {
        assert!(allows(&robots, "/robots.txt"));
        assert!(!allows(&robots, "/robots.txt.gz"));
        assert!(!allows(&robots, "/"));
    }
}

#[test]
fn a_file_without_rules_allows_everything() {
    for text in [
        "",
        "<html><body>Not found: sorry</body></html>",
        "User-agent: *\nDisallow:",
        "User-agent: *\nAllow:",
    ] {
        assert!(allows(&robots(text), "/a"), "{text:?}");
    }
    assert!(allows(&RobotsRules::parse(&[0x89, b'P', b'N', b'G', 0, 0xff, b'\r', b'\n'], "a"), "/"));
    assert!(allows(&RobotsRules::allow_all(), "/"));
}

#[test]
fn all_groups_of_our_token_are_merged_and_those_of_everyone_then_are_not_ours() {
    let robots = robots(
        "User-agent: *\nDisallow: /all\n\n\
         User-agent: Sitemap-Crawler/2.0\nDisallow: /one\n\n\
         User-agent: other\nDisallow: /other\n\n\
         User-agent: other\nUser-agent: sitemap-crawler (ours)\nDisallow: /two\n",
    );
    assert!(!allows(&robots, "/one"));
    assert!(!allows(&robots, "/two"));
    assert!(allows(&robots, "/all"));
    assert!(allows(&robots, "/other"));
}

#[test]
fn groups_of_everyone_are_merged_where_no_group_is_ours() {
    let robots =
        robots("User-agent: *\nDisallow: /a\nUser-agent: crawler\nAllow: /\nUser-agent: *\nDisallow: /b\n");
    assert!(!allows(&robots, "/a"));
    assert!(!allows(&robots, "/b"));
    assert!(allows(&robots, "/c"));
}

#[test]
fn a_group_of_ours_without_rules_allows_everything() {
    assert!(allows(&robots("User-agent: *\nDisallow: /\n\nUser-agent: sitemap-crawler\n"), "/a"));
}

#[test]
fn a_longer_or_shorter_name_is_not_ours() {
    let robots = robots("User-agent: sitemap-crawler-news\nUser-agent: sitemap\nUser-agent:\nDisallow: /\n");
    assert!(allows(&robots, "/a"));
    assert!(allows(&RobotsRules::parse(b"User-agent: bot1\nDisallow: /", "bot2"), "/a"));
    assert!(!allows(&RobotsRules::parse(b"User-agent: bot2\nDisallow: /", "bot2"), "/a"));
    assert!(
        allows(&RobotsRules::parse(b"User-agent:\nDisallow: /", ""), "/a"),
        "an empty name matches no crawler"
    );
}

#[test]
fn only_the_first_word_of_a_user_agent_line_is_a_name() {
    let text = b"User-agent: one, two\nDisallow: /";
    assert!(!allows(&RobotsRules::parse(text, "one"), "/"));
    assert!(allows(&RobotsRules::parse(text, "two"), "/"));
}

#[test]
fn a_whole_user_agent_value_is_cut_to_its_token() {
    let robots =
        RobotsRules::parse(b"User-agent: examplebot\nDisallow: /", "ExampleBot/1.2 (+https://a.example/bot)");
    assert!(!allows(&robots, "/"));
}

#[test]
fn other_records_neither_end_nor_join_groups() {
    let split = "User-agent: sitemap-crawler\nCrawl-delay: 1\nSitemap: /s.xml\nHost: a.example\n\nUser-agent: b\nDisallow: /x";
    assert!(!allows(&robots(split), "/x"));
    let apart = "User-agent: sitemap-crawler\nDisallow: /x\nRequest-rate: 1/10\nUser-agent: b\nDisallow: /y";
    assert!(allows(&robots(apart), "/y"));
}

#[test]
fn rules_before_any_group_are_ignored() {
    assert!(allows(&robots("Disallow: /\nUser-agent: b\nDisallow: /"), "/"));
}

#[test]
fn a_broken_line_costs_that_line_only() {
    let robots = robots("User-agent: *\nDisallow: /a\n\u{fffd}%%: \nDisallow\nDisallow: /b\n");
    assert!(!allows(&robots, "/a"));
    assert!(!allows(&robots, "/b"));
    assert!(allows(&robots, "/c"));
}

#[test]
fn the_query_belongs_to_the_match() {
    let robots = robots("User-agent: *\nDisallow: /s?q=\nAllow: /s?q=1\n");
    assert!(!allows(&robots, "/s?q=2"));
    assert!(allows(&robots, "/s?q=1"));
    assert!(allows(&robots, "/s"));
}

#[test]
fn the_longest_match_is_counted_in_octets() {
    let robots =
        robots("User-agent: *\nAllow: /caf\u{e9}\nDisallow: /caf*\u{e9}x\nDisallow: /*/kk\nAllow: /a/kk\n");
    assert!(allows(&robots, "/caf\u{e9}"));
    assert!(!allows(&robots, "/caf\u{e9}x"));
    assert!(allows(&robots, "/a/kk"));
    assert!(!allows(&robots, "/b/kk"));
}

#[test]
fn rules_and_urls_may_differ_in_percent_encoding() {
    let robots = robots(
        "User-agent: *\nDisallow: /b\u{fc}cher\nDisallow: /%7ejim\nDisallow: /100%25\nDisallow: /a%2fb\n",
    );
    for path in ["/b%c3%bccher/1", "/b\u{fc}cher", "/~jim", "/%7Ejim", "/100%25", "/a%2Fb"] {
        assert!(!allows(&robots, path), "{path}");
    }
    assert!(allows(&robots, "/a/b"), "an encoded slash is not a slash");
}

#[test]
fn an_encoded_star_or_dollar_means_itself() {
    let robots = robots("User-agent: *\nDisallow: /a-%2A\nDisallow: /b-%24\nDisallow: /c$d\n");
    for path in ["/a-*", "/a-%2a", "/b-$", "/b-%24.html", "/c$d"] {
        assert!(!allows(&robots, path), "{path}");
    }
    assert!(allows(&robots, "/a-b"));
    assert!(allows(&robots, "/b-"));
    assert!(allows(&robots, "/c"));
}

#[test]
fn sitemap_lines_hold_for_everyone_in_their_order_and_once() {
    let robots = robots(
        "sitemap: https://a.example/One.xml#top\nUser-agent: other\nDisallow: /\nSitemap: /two.xml\n\
         Site-map:https://a.example/One.xml\nSitemap:\nhttps://b.example/sitemap.xml\n",
    );
    assert_eq!(robots.sitemaps(), ["https://a.example/One.xml", "/two.xml", "https://b.example/sitemap.xml"]);
}

#[test]
fn a_sitemap_line_in_another_charset_keeps_its_octets() {
    assert_eq!(RobotsRules::parse(b"Sitemap: /caf\xe9.xml", "a").sitemaps(), ["/caf%E9.xml"]);
    assert_eq!(RobotsRules::parse("Sitemap: /café.xml".as_bytes(), "a").sitemaps(), ["/café.xml"]);
    assert_eq!(RobotsRules::parse(b"\xff\xfeS\0i\0t\0e\0m\0a\0p\0:\0/\0s\0", "a").sitemaps(), ["/s"]);
}

#[test]
fn a_crawl_delay_is_for_the_names_right_above_it() {
    let text = "User-agent: a\nCrawl-delay: 1\nUser-agent: b\nUser-agent: c\nDisallow: /x\nCrawl-delay: 2.5\n\
                User-agent: d\nCrawl-delay: -1\nUser-agent: e\nCrawl-delay: 8\nUser-agent: *\nDisallow: /y\n";
    let delay = |name| RobotsRules::parse(text.as_bytes(), name).crawl_delay();
    assert_eq!(delay("a"), Some(Duration::from_secs(1)));
    assert_eq!(delay("b"), Some(Duration::from_millis(2500)));
    assert_eq!(delay("c"), Some(Duration::from_millis(2500)));
    assert_eq!(delay("d"), Some(Duration::from_secs(8)), "an invalid delay is not a record");
    assert_eq!(delay("z"), None);
}

#[test]
fn of_several_crawl_delays_the_longest_holds() {
    assert_eq!(
        robots("User-agent: *\nCrawl-delay: 5\nCrawl-delay: 10\nCrawl-delay: 2").crawl_delay(),
        Some(Duration::from_secs(10))
    );
}

#[test]
fn a_crawl_delay_above_all_groups_is_for_those_without_one() {
    let text = "Crawl-delay: 4\nUser-agent: *\nDisallow: /x\nUser-agent: sitemap-crawler\nCrawl-delay: 1\n";
    assert_eq!(robots(text).crawl_delay(), Some(Duration::from_secs(1)));
    assert_eq!(RobotsRules::parse(text.as_bytes(), "b").crawl_delay(), Some(Duration::from_secs(4)));
}

#[test]
fn exactly_so_many_octets_are_read() {
    let rule = "Disallow: /last";
    let head = "User-agent: *\n".len() + "#\n".len() + rule.len();
    let padding = "x".repeat(RobotsRules::BYTES_MAX - head);
    let text = format!("User-agent: *\n#{padding}\n{rule}");
    assert_eq!(text.len(), RobotsRules::BYTES_MAX);
    assert!(!allows(&robots(&text), "/last"));
    assert!(!allows(&robots(&format!("{text}\nAllow: /last")), "/last"));
    assert!(allows(&robots(&format!("{text}-but-not-this")), "/last"), "a cut line is not a rule");
}

#[test]
fn an_artificial_file_of_wildcards_is_read_and_matched() {
    let rules: String = (0..50).map(|i| format!("Disallow: /{}{i}$\n", "*a".repeat(60))).collect();
    let robots = robots(&format!("User-agent: *\n{rules}"));
    assert!(allows(&robots, &format!("/{}", "a".repeat(1_500))));
    assert!(!allows(&robots, &format!("/{}7", "a".repeat(1_500))));
}

#[test]
fn the_small_form_is_a_line_for_each_thing_kept() {
    let robots = robots(
        "# ours\nUser-agent: *\nDisallow: /b\u{fc}\nAllow: /%61*$\nCrawl-delay: 1.5\nSitemap: /s.xml\n",
    );
    let text = robots.to_text();
    assert_eq!(
        text,
        "product-token: sitemap-crawler\ndisallow: /b%C3%BC\nallow: /a*$\ncrawl-delay: 1.500000000\nsitemap: /s.xml\n"
    );
    assert_eq!(RobotsRules::from_text(&text).to_text(), text);
}

#[test]
fn hosts_without_robots_txt_go_through_the_queue_too() {
    assert!(allows(&RobotsRules::from_text(&RobotsRules::allow_all().to_text()), "/a"));
    assert!(!allows(&RobotsRules::from_text(&RobotsRules::disallow_all().to_text()), "/a"));
}

/// Lines that are often valid records.
fn any_line() -> impl Strategy<Value = String> {
    let key = "(User-agent|Allow|Disallow|Sitemap|Crawl-delay|Host|disallow)";
    let value = "(\\*|us|them|[/*]([a-c/*$?%é: ]|%2A|%41|%%341){0,8}|[0-9]{1,3}|-1|https?://x/sitemap)";
    (key, "(: ?| )", value, "(\n|\r\n|\r|\0| #x\n)")
        .prop_map(|(key, colon, value, end)| key + &colon + &value + &end)
}

proptest! {
    #[test]
    fn any_octets_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let robots = RobotsRules::parse(&bytes, "us");
        prop_assert!(allows(&robots, "/robots.txt"));
        RobotsRules::from_text(&String::from_utf8_lossy(&bytes)).to_text();
    }

    #[test]
    fn rules_read_back_from_the_queue_behave_as_before(
        lines in prop::collection::vec(any_line(), 0..20),
        paths in prop::collection::vec("/([a-c/*$?%é]|%2A|%41|%%341){0,8}", 1..10),
    ) {
        let robots = RobotsRules::parse(lines.concat().as_bytes(), "us");
        let queued = RobotsRules::from_text(&robots.to_text());
        prop_assert_eq!(queued.to_text(), robots.to_text());
        prop_assert_eq!(queued.sitemaps(), robots.sitemaps());
        prop_assert_eq!(queued.crawl_delay(), robots.crawl_delay());
        for path in &paths {
            prop_assert_eq!(allows(&queued, path), allows(&robots, path), "{}", path);
        }
    }
}
