//! RFC 9309 clause by clause, as tables of a file, a crawler, a path, and whether the crawler may fetch it.
//!
//! The groups follow the test suites for the standard. The files, names and paths are our own. Where a suite tests a
//! convention outside the RFC, the case shows what we do instead.

mod age;

use frontier::RobotsRules;
use url::Url;

/// A robots.txt and its expected answers: `(agent, path, allowed)`.
struct Case<'a> {
    file: &'a str,
    says: &'a [(&'a str, &'a str, bool)],
}

fn check(cases: &[Case<'_>]) {
    for Case { file, says } in cases {
        for &(agent, path, allowed) in *says {
            assert_eq!(
                may(file.as_bytes(), agent, path),
                allowed,
                "{agent} may fetch {path}? The file is\n{file}"
            );
        }
    }
}

fn may(file: &[u8], agent: &str, path: &str) -> bool {
    let url = Url::parse("https://shop.example/").unwrap().join(path).unwrap();
    RobotsRules::parse(file, agent).allows(&url)
}

#[test]
fn group_01_a_file_speaks_to_the_crawler_it_names() {
    check(&[
        Case {
            file: "user-agent: Otter\ndisallow: /\n",
            says: &[("Otter", "/", false), ("Heron", "/", true)],
        },
        Case { file: "", says: &[("Otter", "/den", true), ("", "/den", true)] },
        Case { file: "user-agent: Otter\n", says: &[("Otter", "/den", true)] },
    ]);
}

#[test]
fn group_02_a_line_is_a_key_a_colon_and_a_value_and_leniently_less() {
    let blocked = [("Otter", "/den/1", false), ("Otter", "/bank", true)];
    check(&[
        Case { file: "user-agent: Otter\ndisallow: /den\n", says: &blocked },
        Case { file: "  user-agent :   Otter  \n\tdisallow\t:\t/den\t\n", says: &blocked },
        Case { file: "user-agent Otter\ndisallow /den\n", says: &blocked },
        Case { file: "agent: Otter\nforbid: /den\n", says: &[("Otter", "/den", true)] },
        Case { file: "user-agent: Otter\nno rule at all\ndisallow: /den\n: : :\n", says: &blocked },
    ]);
}

#[test]
fn group_03_a_group_is_a_run_of_names_and_the_rules_behind_it() {
    check(&[Case {
        file: "allow: /reeds/water\n\nuser-agent: Otter\nallow: /reeds/bank\ndisallow: /\n\n\
               user-agent: Heron\nuser-agent: Kite\nallow: /reeds/nest\ndisallow: /\n\n\
               \nuser-agent: Crane\n",
        says: &[
            ("Otter", "/reeds/bank/1", true),
            ("Otter", "/reeds/nest/1", false),
            ("Otter", "/reeds/water/1", false),
            ("Heron", "/reeds/nest/1", true),
            ("Kite", "/reeds/nest/1", true),
            ("Kite", "/reeds/bank/1", false),
            ("Crane", "/reeds/bank/1", true),
            ("Crane", "/anything", true),
        ],
    }]);
}

#[test]
fn group_04_other_records_neither_end_nor_open_a_group() {
    let says = [("Otter", "/", false), ("Heron", "/", false)];
    for other in
        ["sitemap: https://shop.example/map.xml", "host: shop.example", "crawl-delay: 3", "noidea: /"]
    {
        check(&[
            Case {
                file: &format!("user-agent: Otter\n{other}\nuser-agent: Heron\ndisallow: /\n"),
                says: &says,
            },
            Case {
                file: &format!("user-agent: Otter\nuser-agent: Heron\n{other}\ndisallow: /\n"),
                says: &says,
            },
        ]);
    }
}

#[test]
fn group_05_keys_are_read_in_any_case() {
    for [agent, allow, disallow] in [
        ["User-Agent", "Allow", "Disallow"],
        ["USER-AGENT", "ALLOW", "DISALLOW"],
        ["uSeR-aGeNt", "aLlOw", "dIsAlLoW"],
    ] {
        check(&[Case {
            file: &format!("{agent}: Otter\n{allow}: /x/open\n{disallow}: /x\n"),
            says: &[("Otter", "/x/open", true), ("Otter", "/x/shut", false)],
        }]);
    }
}

#[test]
fn group_06_a_product_token_is_letters_hyphens_and_underscores_and_what_follows_is_no_part_of_it() {
    for agent in ["Otter", "Otter-News", "Otter_News", "Otter/3.1", "Otter (+https://shop.example/bot)"] {
        let token = frontier::robots::product_token(agent);
        let file = format!("user-agent: {token}\ndisallow: /\n");
        check(&[Case { file: &file, says: &[(agent, "/", false)] }]);
    }
    check(&[
        Case {
            file: "user-agent: Otter\ndisallow: /\n",
            says: &[("Otter-News", "/", true), ("Ott", "/", true)],
        },
        Case { file: "user-agent: Otter-News\ndisallow: /\n", says: &[("Otter", "/", true)] },
    ]);
}

#[test]
fn group_07_names_are_compared_in_any_case() {
    for named in ["OTTER", "otter", "oTTeR"] {
        let file = format!("user-agent: {named}\nallow: /x/open\ndisallow: /\n");
        let says: Vec<_> = ["Otter", "otter", "OTTER"]
            .iter()
            .flat_map(|agent| [(*agent, "/x/open", true), (*agent, "/y", false)])
            .collect();
        check(&[Case { file: &file, says: &says }]);
    }
}

#[test]
fn group_08_a_name_ends_at_the_first_space() {
    check(&[
        Case {
            file: "user-agent: *\ndisallow: /\n\nuser-agent: Otter the diver\nallow: /\ndisallow: /den\n",
            says: &[("Otter", "/x", true), ("Otter", "/den", false), ("diver", "/x", false)],
        },
        Case { file: "user-agent: * for all\ndisallow: /\n", says: &[("Otter", "/x", false)] },
        Case { file: "user-agent: *otter\ndisallow: /\n", says: &[("Otter", "/x", true)] },
    ]);
}

#[test]
fn group_09_the_group_of_everyone_is_for_those_without_one() {
    check(&[
        Case {
            file: "user-agent: *\nallow: /\nuser-agent: Otter\ndisallow: /\n",
            says: &[("Otter", "/x/y", false), ("Heron", "/x/y", true)],
        },
        Case {
            file: "user-agent: Otter\nallow: /\nuser-agent: Heron\ndisallow: /\n",
            says: &[("Kite", "/x", true)],
        },
        Case { file: "user-agent: Otter\n\nuser-agent: *\ndisallow: /\n", says: &[("Otter", "/x", false)] },
    ]);
}

#[test]
fn group_10_all_groups_of_a_name_are_one() {
    check(&[Case {
        file: "user-agent: Otter\ndisallow: /a\n\nuser-agent: Heron\ndisallow: /b\n\nuser-agent: otter\ndisallow: /c\n\
               user-agent: *\ndisallow: /d\nuser-agent: Kite\nallow: /\nuser-agent: *\ndisallow: /e\n",
        says: &[
            ("Otter", "/a", false),
            ("Otter", "/b", true),
            ("Otter", "/c", false),
            ("Otter", "/d", true),
            ("Crane", "/d", false),
            ("Crane", "/e", false),
            ("Crane", "/a", true),
        ],
    }]);
}

#[test]
fn group_11_paths_are_compared_with_their_case() {
    check(&[Case {
        file: "user-agent: *\ndisallow: /Den/\n",
        says: &[("Otter", "/Den/1", false), ("Otter", "/den/1", true), ("Otter", "/DEN/1", true)],
    }]);
}

#[test]
fn group_12_the_longest_rule_in_octets_decides_and_allow_wins_a_tie() {
    check(&[
        Case {
            file: "user-agent: *\ndisallow: /x/page.html\nallow: /x/\n",
            says: &[("Otter", "/x/page.html", false), ("Otter", "/x/page", true)],
        },
        Case {
            file: "user-agent: *\nallow: /x/page.html\ndisallow: /x/\n",
            says: &[("Otter", "/x/page.html", true), ("Otter", "/x/", false)],
        },
        Case { file: "user-agent: *\ndisallow: \nallow: \n", says: &[("Otter", "/x", true)] },
        Case { file: "user-agent: *\ndisallow: /x\nallow: /x\n", says: &[("Otter", "/x", true)] },
        Case {
            file: "user-agent: *\ndisallow: /x\nallow: /x/\n",
            says: &[("Otter", "/x", false), ("Otter", "/x/", true)],
        },
        Case {
            file: "user-agent: *\ndisallow: /*/long-word-here\nallow: /short\n",
            says: &[("Otter", "/short/long-word-here", false)],
        },
        // The character has three octets in UTF-8, and nine in the percent-encoded form that is compared.
        Case {
            file: "user-agent: *\nallow: /\u{6c34}\ndisallow: /*abcd\n",
            says: &[("Otter", "/\u{6c34}abcd", true)],
        },
    ]);
}

#[test]
fn group_13_octets_are_compared_in_one_spelling() {
    check(&[
        Case {
            file: "user-agent: *\ndisallow: /\nallow: /go?to=https://shop.example/x\n",
            says: &[("Otter", "/go?to=https://shop.example/x", true), ("Otter", "/go?to=", false)],
        },
        Case {
            file: "user-agent: *\ndisallow: /\nallow: /d/\u{6c34}\n",
            says: &[
                ("Otter", "/d/\u{6c34}", true),
                ("Otter", "/d/%E6%B0%B4", true),
                ("Otter", "/d/%e6%b0%b4", true),
            ],
        },
        Case {
            file: "user-agent: *\ndisallow: /\nallow: /d/%E6%B0%B4\n",
            says: &[("Otter", "/d/%e6%b0%b4", true), ("Otter", "/d/\u{6c34}", true)],
        },
        // An escaped unreserved octet is decoded (table in section 2.2.2).
        Case {
            file: "user-agent: *\ndisallow: /d/%6F%74\n",
            says: &[("Otter", "/d/ot", false), ("Otter", "/d/%6f%74", false)],
        },
        Case {
            file: "user-agent: *\ndisallow: /d%2Fx\n",
            says: &[("Otter", "/d/x", true), ("Otter", "/d%2fx", false)],
        },
    ]);
}

#[test]
fn group_14_a_star_a_last_dollar_and_a_number_sign_have_a_meaning() {
    check(&[
        Case {
            file: "user-agent: *\ndisallow: /x/raw*\nallow: /x/raw/open\n",
            says: &[
                ("Otter", "/x/raw", false),
                ("Otter", "/x/rawest", false),
                ("Otter", "/x/raw/open", true),
            ],
        },
        Case {
            file: "user-agent: *\ndisallow: /x/raw$\n",
            says: &[("Otter", "/x/raw", false), ("Otter", "/x/raw?a", true), ("Otter", "/x/raw/", true)],
        },
        Case {
            file: "user-agent: *\n# disallow: /y\ndisallow: /x # not /x/y\nallow: /x/y#no\n",
            says: &[("Otter", "/x", false), ("Otter", "/y", true), ("Otter", "/x/y", true)],
        },
        Case {
            file: "user-agent: *\ndisallow: /x$y\n",
            says: &[("Otter", "/x$y", false), ("Otter", "/x", true)],
        },
        Case {
            file: "user-agent: *\ndisallow: *.cgi$\n",
            says: &[("Otter", "/a/b.cgi", false), ("Otter", "/b.cgi?", true)],
        },
    ]);
}

#[test]
fn group_15_an_index_page_is_a_page_of_its_own() {
    // Google applies a rule for /d/index.html to /d/ too. The RFC does not.
    check(&[Case {
        file: "user-agent: *\nallow: /d/index.html\ndisallow: /\n",
        says: &[("Otter", "/d/index.html", true), ("Otter", "/d/", false), ("Otter", "/d/index.htm", false)],
    }]);
}

#[test]
fn group_16_a_line_that_is_too_long_is_cut_and_costs_nobody_else() {
    const LINE: usize = 16_664;
    let rule = |prefix: &str, tail: &str| {
        let padding = "y".repeat(LINE - "disallow: ".len() - prefix.len());
        format!("{prefix}{padding}{tail}")
    };
    let cut = rule("/x/", "/beyond-the-limit");
    let file = format!("user-agent: *\ndisallow: {cut}\nallow: /z\ndisallow: /\n");
    let within = cut.trim_end_matches("/beyond-the-limit");
    assert!(!may(file.as_bytes(), "Otter", within));
    assert!(
        !may(file.as_bytes(), "Otter", &format!("{within}/anything")),
        "the rest of the rule still applies"
    );
    assert!(may(file.as_bytes(), "Otter", "/z"));
    assert!(!may(file.as_bytes(), "Otter", "/q"));
}

#[test]
fn group_17_the_examples_that_site_owners_know() {
    type Example<'a> = (&'a str, &'a [&'a str], &'a [&'a str]);
    let examples: [Example<'_>; 6] = [
        (
            "/carp",
            &["/carp", "/carp.html", "/carp/roe.html", "/carpets", "/carp.php?id=any"],
            &["/Carp.asp", "/acarp", "/?id=carp"],
        ),
        (
            "/carp*",
            &["/carp", "/carp.html", "/carp/roe.html", "/carp.php?id=any"],
            &["/Carp.bmp", "/acarp", "/?id=carp"],
        ),
        ("/carp/", &["/carp/", "/carp/roe", "/carp/?id=any"], &["/carp", "/carp.html", "/Carp/Roe.asp"]),
        ("/*.php", &["/a.php", "/d/a.php", "/d/a.php?p", "/d/any.php.of.html", "/a.php/"], &["/", "/a.PHP"]),
        ("/*.php$", &["/a.php", "/d/a.php"], &["/a.php?p", "/a.php/", "/a.php5", "/a.PHP"]),
        ("/carp*.php", &["/carp.php", "/carpets/shop.php?id=any"], &["/Carp.PHP", "/carp.html"]),
    ];
    for (pattern, matched, others) in examples {
        let file = format!("user-agent: *\ndisallow: /\nallow: {pattern}\n");
        for path in matched {
            assert!(may(file.as_bytes(), "Otter", path), "{pattern} matches {path}");
        }
        for path in others {
            assert!(!may(file.as_bytes(), "Otter", path), "{pattern} does not match {path}");
        }
    }
    for (allow, disallow, path, allowed) in [
        ("/p", "/", "/page", true),
        ("/box", "/box", "/box/page", true),
        ("/page", "/*.htm", "/page.htm", false),
        ("/page", "/*.ph", "/page.php5", true),
        ("/$", "/", "/", true),
        ("/$", "/", "/page.htm", false),
    ] {
        let file = format!("user-agent: *\nallow: {allow}\ndisallow: {disallow}\n");
        assert_eq!(may(file.as_bytes(), "Otter", path), allowed, "{path}, the file is\n{file}");
    }
}

#[test]
fn group_18_marks_and_line_ends_of_every_kind_are_read() {
    for end in ["\n", "\r\n", "\r", "\0", "\r\r\n"] {
        for mark in ["", "\u{feff}"] {
            let file = ["user-agent: Otter", "disallow: /a", "allow: /b", "disallow: /c", ""].join(end);
            let file = format!("{mark}{file}");
            for (path, allowed) in [("/a", false), ("/b", true), ("/c", false), ("/d", true)] {
                assert_eq!(
                    may(file.as_bytes(), "Otter", path),
                    allowed,
                    "{path}, lines end in {end:?}, mark {mark:?}"
                );
            }
        }
    }
    // A byte order mark counts only at the beginning of the file. The beginning of a mark is accepted there too. Any
    // other octet before the key makes the line invalid.
    assert!(!may(b"\xef\xbbuser-agent: Otter\ndisallow: /\n", "Otter", "/"));
    assert!(!may(b"\xefuser-agent: Otter\ndisallow: /\n", "Otter", "/"));
    assert!(may(b"\x11\xbfuser-agent: Otter\ndisallow: /\n", "Otter", "/"));
    assert!(may("user-agent: Otter\n\u{feff}disallow: /\n".as_bytes(), "Otter", "/"));
}

#[test]
fn group_19_sitemap_lines_stand_anywhere_and_change_no_group() {
    let sitemap = "SiteMap:https://shop.example/Map.xml#top\n";
    let group = "user-agent: Otter\ndisallow: /a\n";
    for file in
        [format!("{sitemap}{group}"), format!("{group}{sitemap}"), format!("{group}{sitemap}disallow: /b\n")]
    {
        let robots = RobotsRules::parse(file.as_bytes(), "Otter");
        assert_eq!(robots.sitemaps(), ["https://shop.example/Map.xml"]);
        assert!(!may(file.as_bytes(), "Otter", "/a"));
    }
}

#[test]
fn group_20_path_and_query_of_a_url_are_compared_and_nothing_else_of_it() {
    let file = b"user-agent: *\ndisallow: /a;b?c=d\nallow: /a;b?c=d&e\n";
    for (url, allowed) in [
        ("https://shop.example/a;b?c=d", false),
        ("http://user:word@SHOP.example:8080/a;b?c=d#e", false),
        ("https://shop.example/a;b?c=d&e", true),
        ("https://shop.example/a;b#?c=d", true),
        ("https://shop.example/a;b", true),
        ("https://shop.example?a;b?c=d", true),
        ("https://shop.example//a;b?c=d", true),
    ] {
        assert_eq!(RobotsRules::parse(file, "Otter").allows(&Url::parse(url).unwrap()), allowed, "{url}");
    }
}
