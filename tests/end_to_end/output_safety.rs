//! Text from remote servers is harmless wherever it is shown, and secrets are never shown.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use fakesite::{Misbehaviour, Page, ServeOptions, Site, Web};

use super::run::{Run, expect, index, stderr, stdout, urlset};

/// Clears the screen, rings the bell, reverses the text direction, breaks the line.
const HOSTILE: &str = "\u{1b}[2J\u{7}\u{202e}\u{2028}\u{9b}";

/// The characters that move the cursor or mislead the reader, except line feeds.
fn deceptive(text: &str) -> Vec<char> {
    text.chars().filter(|&character| character != '\n' && reports::escape::is_deceptive(character)).collect()
}

fn xml_escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[test]
fn urls_are_exported_as_printable_ascii_or_not_at_all() {
    let long = format!("http://a.example/{}", "l".repeat(8_192));
    let noted = format!("http://a.example/{}", "n".repeat(4_000));
    let long_host = format!("http://{}example/", "a.".repeat(130));
    let cases = [
        ("http://a.example/plain", Some("http://a.example/plain")),
        ("http://a.example/\u{202e}gpj.exe", Some("http://a.example/%E2%80%AEgpj.exe")),
        ("http://a.example/\u{2028}\u{85}x", Some("http://a.example/%E2%80%A8%C2%85x")),
        ("http://a.example/a&#13;&#10;b", Some("http://a.example/ab")),
        ("http://a.example/\u{7f}", Some("http://a.example/%7F")),
        ("/relative", Some("http://a.example/relative")),
        (noted.as_str(), Some(noted.as_str())),
        ("javascript:alert(1)", None),
        ("JavaScript://a.example/%0aalert(1)", None),
        ("file:///etc/passwd", None),
        ("ftp://a.example/x", None),
        ("data:text/html,x", None),
        ("http://", None),
        ("http:///x", None),
        ("https://?x", None),
        (long.as_str(), None),
        (long_host.as_str(), None),
    ];
    let locs: String = cases.iter().map(|(loc, _)| format!("<url><loc>{loc}</loc></url>")).collect();
    let page =
        Page::xml(format!("<urlset xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\">{locs}</urlset>"));
    let site = Site::new().robots("Sitemap: http://a.example/s.xml\n").page("/s.xml", page);
    let run = Run::of(Web::new().host("a.example", site), &["http://a.example"]);
    run.crawl();
    let expected: Vec<&str> = cases.iter().filter_map(|(_, exported)| *exported).collect();
    assert_eq!(run.locs(), expected);
    let jsonl: Vec<String> =
        run.entries().iter().map(|entry| entry["loc"].as_str().unwrap().to_owned()).collect();
    assert_eq!(jsonl, expected);
    let csv = run.export("csv");
    let csv: Vec<&str> = csv.lines().skip(1).map(|line| line.split(',').next().unwrap()).collect();
    assert_eq!(csv, expected);
    assert!(expected.iter().all(|url| url.bytes().all(|byte| byte.is_ascii_graphic())));
}

#[test]
fn urls_of_images_videos_and_alternates_are_as_safe_as_those_of_pages() {
    let entry = |link: &str| {
        format!(
            "<url><loc>http://a.example/p</loc>\
             <image:image><image:loc>{link}</image:loc><image:title>kept</image:title></image:image>\
             <video:video><video:title>kept</video:title><video:thumbnail_loc>{link}</video:thumbnail_loc>\
             <video:content_loc>{link}</video:content_loc><video:player_loc>{link}</video:player_loc></video:video>\
             <xhtml:link rel=\"alternate\" hreflang=\"de\" href=\"{link}\"/></url>"
        )
    };
    let links = [
        ("http://i.example/1.png", Some("http://i.example/1.png")),
        ("/2.png", Some("http://a.example/2.png")),
        ("http://i.example/\u{202e}3.png", Some("http://i.example/%E2%80%AE3.png")),
        ("javascript:alert(1)", None),
        ("data:image/png,x", None),
        ("file:///etc/passwd", None),
    ];
    let entries: String = links.iter().map(|(link, _)| entry(link)).collect();
    let page = Page::xml(format!(
        "<urlset xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\" \
         xmlns:image=\"http://www.google.com/schemas/sitemap-image/1.1\" \
         xmlns:video=\"http://www.google.com/schemas/sitemap-video/1.1\" \
         xmlns:xhtml=\"http://www.w3.org/1999/xhtml\">{entries}</urlset>"
    ));
    let site = Site::new().robots("Sitemap: http://a.example/s.xml\n").page("/s.xml", page);
    let run = Run::of(Web::new().host("a.example", site), &["http://a.example"]);
    run.crawl();
    let entries = run.entries();
    assert_eq!(entries.len(), links.len());
    for (entry, (link, kept)) in entries.iter().zip(links) {
        let video = &entry["videos"][0];
        let shown = [
            &entry["images"][0]["loc"],
            &video["thumbnail_loc"],
            &video["content_loc"],
            &video["player_loc"],
            &entry["alternates"][0]["href"],
        ];
        assert!(shown.iter().all(|shown| shown.as_str() == kept), "{link}: {entry}");
        assert_eq!((&entry["images"][0]["title"], &video["title"]), (&"kept".into(), &"kept".into()));
    }
}

#[test]
fn a_table_holds_no_formula_and_no_cell_breaks_out_of_its_row() {
    let titles = [
        "=HYPERLINK(\"http://evil.example\",\"x\")",
        "+1",
        "-2+3",
        "@SUM(A1)",
        "a,\"b\"\nc",
        "'quoted",
        "fine",
    ];
    let entry = |(n, title): (usize, &&str)| {
        format!(
            "<url><loc>http://a.example/{n}</loc><news:news><news:publication><news:name>{0}</news:name>\
             <news:language>en</news:language></news:publication><news:title>{0}</news:title></news:news></url>",
            xml_escaped(title)
        )
    };
    let entries: String = titles.iter().enumerate().map(entry).collect();
    let page = Page::xml(format!(
        "<urlset xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\" \
         xmlns:news=\"http://www.google.com/schemas/sitemap-news/0.9\">{entries}</urlset>"
    ));
    let site = Site::new().robots("Sitemap: http://a.example/s.xml\n").page("/s.xml", page);
    let run = Run::of(Web::new().host("a.example", site), &["http://a.example"]);
    run.crawl();
    let rows = rows(&run.export("csv"));
    let column = rows[0].iter().position(|name| name == "news_title").unwrap();
    assert_eq!(rows.len(), titles.len() + 1);
    for (row, title) in rows[1..].iter().zip(titles) {
        assert_eq!(row.len(), rows[0].len(), "{row:?}");
        let is_formula = title.starts_with(['=', '+', '-', '@']);
        assert_eq!(row[column], if is_formula { format!("'{title}") } else { title.to_owned() });
        assert!(row.iter().all(|cell| !cell.starts_with(['=', '+', '-', '@', '\t', '\r'])), "{row:?}");
    }
}

/// The rows of a CSV table (RFC 4180 section 2).
fn rows(csv: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut cell, mut is_quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut rest = csv.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '"' if is_quoted && rest.peek() == Some(&'"') => cell.extend(rest.next()),
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => row.push(std::mem::take(&mut cell)),
            '\r' if !is_quoted && rest.peek() == Some(&'\n') => {
                rest.next();
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            other => cell.push(other),
        }
    }
    assert!(!is_quoted && row.is_empty() && cell.is_empty(), "the table ends within a row");
    rows
}

#[test]
fn no_url_of_a_remote_server_adds_a_line_to_a_request() {
    let children = [
        "http://a.example/1.xml&#13;&#10;X-Evil: yes&#13;&#10;",
        "http://a.example/2.xml%0d%0aX-Evil:%20yes",
        "http://a.example/3.xml?\u{202e}\u{2028} x",
    ];
    let site = Site::new()
        .robots("Sitemap: http://a.example/index.xml\nSitemap: http://a.example/moved.xml\n")
        .page("/index.xml", Page::xml(index(&children)))
        .page(
            "/moved.xml",
            Page::status(302).misbehaves(Misbehaviour::RedirectsTo("/4.xml%0d%0aX-Evil: yes".to_owned())),
        );
    let run = Run::of(Web::new().host("a.example", site), &["http://a.example"]);
    run.crawl();
    let log = run.server.log();
    assert_eq!(log.len(), 7, "{:?}", log.iter().map(|request| &request.path).collect::<Vec<_>>());
    for request in &log {
        assert_eq!(request.header("x-evil"), None, "{}", request.path);
        assert!(request.path.bytes().all(|byte| byte.is_ascii_graphic()), "{:?}", request.path);
    }
    assert!(log.iter().any(|request| request.path == "/1.xmlX-Evil:%20yes"));
}

#[test]
fn what_an_origin_sends_controls_no_terminal_in_logs_status_or_report() {
    let title = xml_escaped(&HOSTILE.replace(['\u{1b}', '\u{7}'], ""));
    let hostile = Page::xml(urlset(&["http://a.example/1"]))
        .header("server", "\u{202e}evil")
        .header("etag", "\"\u{202e}\u{2028}\"")
        .header("content-type", "text/\u{202e}xml");
    let moved = |to: &str| Page::status(301).header("location", to);
    let site = Site::new()
        .robots(format!(
            "Sitemap: /s.xml\nSitemap: /moved.xml\nSitemap: /away.xml\nSitemap: /{HOSTILE}.xml\nSitemap: /broken.xml\n"
        ))
        .page("/s.xml", hostile)
        .page("/moved.xml", moved("/\u{202e}\u{2028}.xml"))
        .page("/away.xml", moved("javascript:\u{202e}alert(1)"))
        .page("/broken.xml", Page::xml(format!("<{title}><urlset>")));
    let run = Run::of(Web::new().host("a.example", site), &["http://a.example"]);
    let mut said = String::new();
    for format in ["text", "json"] {
        let mut crawl = run.crawl_command();
        crawl.args(["--log-format", format]).env("RUST_LOG", "trace");
        let output = expect(crawl, 0);
        said += &stderr(&output);
        assert!(stdout(&output).is_empty());
    }
    assert!(said.contains("http_status"), "the log contains failures");
    for args in [&["status"][..], &["report"], &["report", "--format", "html"]] {
        said += &stdout(&expect(run.command(args), 0));
    }
    assert_eq!(deceptive(&said), Vec::<char>::new(), "{said:?}");
}

/// A user name and a password that occur nowhere else in the test data.
const SECRETS: [&str; 2] = ["moleskin", "hunter2"];

fn assert_secret(place: &str, text: &[u8]) {
    for secret in SECRETS {
        let is_there = text.windows(secret.len()).any(|window| window == secret.as_bytes());
        assert!(!is_there, "{place} shows {secret}");
    }
    // `moleskin:hunter2`, encoded as in a Proxy-Authorization header.
    let encoded = b"bW9sZXNraW46aHVudGVyMg";
    assert!(!text.windows(encoded.len()).any(|window| window == encoded), "{place} shows both, encoded");
}

fn all_files(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            files.extend(all_files(&entry.path()));
        } else {
            files.push(entry.path());
        }
    }
    files
}

#[test]
fn credentials_of_seeds_proxies_and_headers_are_nowhere_to_be_seen() {
    let site = || Site::new().page("/sitemap.xml", Page::xml(urlset(&["http://a.example/1"])));
    let web = || {
        Web::new()
            .host("a.example", site())
            .host("gone.example", Site::new().misbehaves(Misbehaviour::Status(500)))
    };
    for way in ["flag", "environment", "dead"] {
        let run = Run::on(web().serve(ServeOptions::default()).unwrap(), &[]);
        let port = if way == "dead" { 1 } else { run.server.port() };
        let proxy = format!("http://moleskin:hunter2@127.0.0.1:{port}");
        let finish = |mut command: Command| {
            if way == "environment" {
                command.env("HTTP_PROXY", &proxy).env("http_proxy", &proxy);
            } else {
                command.args(["--proxy", &proxy]);
            }
            command.env("RUST_LOG", "trace").args(["--rate", "0", "-vv"]);
            command.args(["--header", "Authorization: Basic hunter2", "--header", "X-Key: moleskin"]);
            expect(command, 0)
        };
        let mut crawl = run.command(&["--seed", "http://moleskin:hunter2@a.example"]);
        crawl.args(["--seed", "http://moleskin:hunter2@gone.example/s.xml"]);
        let crawled = finish(crawl);
        assert_secret("the log", &crawled.stderr);
        assert_secret("stdout", &crawled.stdout);
        let resumed = finish(run.command(&["resume", "--retry-failed"]));
        assert_secret("the log of resume", &resumed.stderr);
        for args in [
            &["status"][..],
            &["status", "--format", "json"],
            &["report"],
            &["report", "--format", "json"],
            &["report", "--format", "html"],
            &["export", "--format", "jsonl"],
        ] {
            assert_secret(&args.join(" "), &expect(run.command(args), 0).stdout);
        }
        let files = all_files(&run.data_dir());
        assert!(files.iter().any(|path| path.ends_with("seeds")), "{files:?}");
        for path in files {
            assert_secret(&path.display().to_string(), &std::fs::read(&path).unwrap());
        }
        if way == "flag" {
            let sent =
                run.server.log().into_iter().find(|request| request.header("x-key").is_some()).unwrap();
            assert_eq!(
                (sent.header("x-key"), sent.header("authorization")),
                (Some("moleskin"), Some("Basic hunter2"))
            );
        }
    }
}

#[test]
fn a_mistyped_secret_is_not_repeated() {
    for args in [
        &["--seed", "ftp://moleskin:hunter2@a.example"][..],
        &["--seed", "http://moleskin:hunter2@exa mple/"],
        &["--seed", "moleskin:hunter2@"],
        &["--seed", "a.example", "--proxy", "::moleskin:hunter2@"],
        &["--seed", "a.example", "--header", "Bearer hunter2"],
        &["--seed", "a.example", "--header", "moleskin hunter2: x"],
    ] {
        let dir = tempfile::tempdir().unwrap();
        let mut command = super::run::crawl_with(args);
        command.current_dir(dir.path());
        let output = expect(command, 2);
        assert_secret(&args.join(" "), &output.stderr);
        assert!(!output.stderr.is_empty());
    }
}

/// Whether the name is one of the fixed names in a data directory, which a remote server cannot choose.
fn is_ours(path: &Path) -> bool {
    let names = ["lock", "format", "settings", "seeds", "queue", "committed", "live", "segments", "tmp"];
    let first = path.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
    names.iter().any(|name| first == *name || first.starts_with(&format!("{name}.")))
}

#[test]
fn nothing_is_named_after_a_host_or_a_url_and_nothing_is_written_elsewhere() {
    let nasty = ["..%2f..%2fetc", "%2e%2e/%2e%2e/x", "-rf", "con.xml", "a%00b.xml"];
    let children: Vec<String> = nasty.iter().map(|path| format!("http://dotdot-x.example/{path}")).collect();
    let children: Vec<&str> = children.iter().map(String::as_str).collect();
    let site = Site::new()
        .robots("Sitemap: http://dotdot-x.example/i.xml\nSitemap: http://-rf.example/../../x\n")
        .page("/i.xml", Page::xml(index(&children)))
        .otherwise(|request| Some(Page::xml(urlset(&[&format!("http://dotdot-x.example{}", request.path)]))));
    let run = Run::of(Web::new().host("dotdot-x.example", site), &["http://dotdot-x.example"]);
    let elsewhere = tempfile::tempdir().unwrap();
    let at_home = |mut command: Command| {
        command.current_dir(elsewhere.path());
        for place in ["HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"] {
            command.env(place, elsewhere.path());
        }
        expect(command, 0)
    };
    at_home(run.crawl_command());
    at_home(run.resume_command(&[]));
    let (list, report) = (run.path("list.jsonl"), run.path("report.html"));
    let mut export = run.command(&["export", "--format", "jsonl", "--unique"]);
    export.arg("-o").arg(&list);
    at_home(export);
    let mut page = run.command(&["report", "--format", "html"]);
    page.arg("-o").arg(&report);
    at_home(page);
    at_home(run.command(&["status"]));

    assert_eq!(std::fs::read_dir(elsewhere.path()).unwrap().count(), 0, "the working folder stays empty");
    let beside: BTreeSet<String> = std::fs::read_dir(run.path("."))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    assert_eq!(beside, ["ca.pem", "data", "list.jsonl", "report.html"].map(str::to_owned).into());
    for path in all_files(&run.data_dir()) {
        let path = path.strip_prefix(run.data_dir()).unwrap();
        assert!(is_ours(path), "{}", path.display());
        let name = path.to_string_lossy();
        assert!(!name.contains("dotdot") && !name.contains("rf.example"), "{name}");
    }
    assert!(run.locs().len() >= nasty.len());
}
