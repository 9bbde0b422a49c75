//! Flags, exit codes, messages, and the small commands.

use std::io::Write;
use std::process::Stdio;

use fakesite::{Page, Site, Web};

use super::run::{Run, crawl_with, expect, stderr, stdout, urlset};

#[test]
fn a_wrong_command_line_is_a_usage_error_that_says_what_is_wrong() {
    for (args, said) in [
        (&["--rate", "-1", "--seed", "a.example"][..], "requests per second"),
        (&["--seed", "ftp://a.example"], "ftp"),
        (&["--seed", "a.example", "--header", "no-colon"], "Name: value"),
        (&["--seed", "a.example", "--include", "("], "pattern"),
        (&["--seed", "a.example", "--connect-to", "a:b"], "HOST1:PORT1:HOST2:PORT2"),
        (&["--seeds", "/nowhere/seeds.txt"], "/nowhere/seeds.txt"),
        (&["--rate", "3", "status"], "does not belong before"),
        (&["--frobnicate"], "--frobnicate"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let output = expect(
            {
                let mut c = crawl_with(args);
                c.current_dir(dir.path());
                c
            },
            2,
        );
        assert!(stderr(&output).contains(said), "{args:?}: {}", stderr(&output));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "{args:?} created a file");
    }
}

#[test]
fn the_password_of_a_seed_or_a_proxy_is_never_shown() {
    for args in
        [&["--seed", "ftp://me:hunter2@a.example"][..], &["--seed", "a.example", "--proxy", "::me:hunter2@"]]
    {
        let dir = tempfile::tempdir().unwrap();
        let output = expect(
            {
                let mut c = crawl_with(args);
                c.current_dir(dir.path());
                c
            },
            2,
        );
        assert!(!stderr(&output).contains("hunter2"), "{}", stderr(&output));
    }
}

#[test]
fn commands_on_a_data_dir_that_is_not_there_say_so_and_create_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("none");
    for command in ["resume", "status", "export", "report"] {
        let output = expect(crawl_with(&[command.as_ref(), "--data-dir".as_ref(), missing.as_os_str()]), 1);
        let said = stderr(&output);
        assert!(said.contains("none") && said.contains("hint: start a crawl with"), "{command}: {said}");
        assert!(!missing.exists());
    }
}

#[test]
fn strict_tells_an_incomplete_site_by_the_exit_code() {
    let site = Site::new().robots("Sitemap: http://a.example/gone.xml\n");
    let run = Run::of(Web::new().host("a.example", site), &["http://a.example"]);
    run.crawl();
    let mut strict = run.resume_command(&[]);
    strict.arg("--strict");
    expect(strict, 4);
}

#[test]
fn a_crawl_without_strict_ends_well_whatever_its_hosts_did() {
    let run = Run::of(Web::new(), &["http://unknown.example", "https://unknown.example"])
        .flags(&["--timeout", "5"]);
    run.crawl();
    let report = run.report();
    assert_eq!(report["totals"]["hosts"], 2);
    assert_eq!(report["crawl"]["state"], "complete");
}

#[test]
fn failed_sitemaps_are_asked_again_only_when_wanted() {
    let page = Page::xml(urlset(&["http://a.example/1"]));
    let page = page.misbehaves(fakesite::Misbehaviour::StatusThenOk { status: 403, times: 1 });
    let site = Site::new().robots("Sitemap: http://a.example/s.xml\n").page("/s.xml", page);
    let run = Run::of(Web::new().host("a.example", site), &["http://a.example"]);
    run.crawl();
    assert_eq!(run.locs().len(), 0);
    expect(run.resume_command(&[]), 0);
    assert_eq!(run.request_counts()["http://a.example/s.xml"], 1);
    expect(run.resume_command(&["--retry-failed"]), 0);
    assert_eq!(run.locs(), ["http://a.example/1"]);
    let host = &run.report()["hosts"]["http://a.example"];
    assert_eq!((&host["complete"], &host["sitemaps"]["failed"]), (&true.into(), &0.into()), "{host}");
}

#[test]
fn new_seeds_are_added_to_the_crawl_that_is_there() {
    let site =
        |host: &str| Site::new().page("/sitemap.xml", Page::xml(urlset(&[&format!("http://{host}/1")])));
    let web = Web::new().host("a.example", site("a.example")).host("b.example", site("b.example"));
    let run = Run::of(web, &["http://a.example"]);
    run.crawl();
    let mut more = run.resume_command(&[]);
    let args: Vec<_> = more.get_args().filter(|arg| *arg != "resume").map(ToOwned::to_owned).collect();
    more = crawl_with(&args);
    more.args(["--seed", "http://b.example", "--seed", "http://a.example"]);
    expect(more, 0);
    let mut locs = run.locs();
    locs.sort();
    assert_eq!(locs, ["http://a.example/1", "http://b.example/1"]);
    assert_eq!(run.request_counts()["http://a.example/sitemap.xml"], 1);
}

#[test]
fn seeds_are_read_from_stdin_with_comments_and_blank_lines() {
    let site = Site::new().page("/sitemap.xml", Page::xml(urlset(&["http://a.example/1"])));
    let run = Run::of(Web::new().host("a.example", site), &[]);
    let mut command = run.crawl_command();
    let mut child = command.args(["--seeds", "-"]).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"# sites\n\nhttp://a.example   # the first\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(run.locs(), ["http://a.example/1"]);
}

#[test]
fn parse_prints_entries_on_stdout_and_problems_on_stderr() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("s.xml");
    std::fs::write(&file, "<urlset><url><loc>/a?b&c</loc><priority>0.5</priority></url><url></url></urlset>")
        .unwrap();
    let file = file.to_str().unwrap();
    let output = expect(crawl_with(&["parse", file, "--url", "https://a.example/s.xml"]), 0);
    assert_eq!(stdout(&output), "{\"type\":\"url\",\"loc\":\"https://a.example/a?b&c\",\"priority\":0.5}\n");
    let said = stderr(&output);
    for kind in ["raw_ampersand", "relative_loc", "missing_loc"] {
        assert!(said.lines().any(|line| line.starts_with(&format!("problem {kind} at byte "))), "{said}");
    }
    let output =
        expect(crawl_with(&["parse", file, "--url", "https://a.example/s.xml", "--format", "txt"]), 0);
    assert_eq!(stdout(&output), "https://a.example/a?b&c\n");
}

#[test]
fn parse_takes_the_charset_of_the_content_type() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("s.txt");
    std::fs::write(&file, b"https://a.example/\xe4\n").unwrap();
    let file = file.to_str().unwrap();
    let output = expect(crawl_with(&["parse", file, "--charset", "windows-1251", "--format", "txt"]), 0);
    assert_eq!((stdout(&output), stderr(&output)), ("https://a.example/%D0%B4\n".to_owned(), String::new()));
    let output = expect(crawl_with(&["parse", file, "--format", "txt"]), 0);
    assert_eq!(stdout(&output), "https://a.example/%C3%A4\n");
    assert!(stderr(&output).starts_with("problem wrong_encoding at byte 18: "), "{}", stderr(&output));
}

#[test]
fn parse_of_something_that_is_no_sitemap_fails_with_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("page.html");
    std::fs::write(&file, "<!doctype html><html><body>not found</body></html>").unwrap();
    let output = expect(crawl_with(&["parse", file.to_str().unwrap()]), 1);
    assert!(stdout(&output).is_empty() && stderr(&output).contains("not a sitemap"), "{}", stderr(&output));
}

#[test]
fn robots_answers_allowed_disallowed_or_what_the_file_says_besides() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("robots.txt");
    std::fs::write(&file, "User-agent: *\nDisallow: /a\nCrawl-delay: 2\nSitemap: /s.xml\n").unwrap();
    let file = file.to_str().unwrap();
    for (url, answer) in [("https://x.example/a", "disallowed\n"), ("/b", "allowed\n")] {
        let output = expect(crawl_with(&["robots", file, "--agent", "probe/1.0", "--url", url]), 0);
        assert_eq!(stdout(&output), answer);
    }
    let output = expect(crawl_with(&["robots", file, "--agent", "probe", "--info"]), 0);
    let info: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(info, serde_json::json!({"sitemaps": ["/s.xml"], "crawl_delay": 2.0}));
}

#[test]
fn an_export_into_a_closed_pipe_ends_quietly_and_to_an_unwritable_file_with_a_message() {
    let site = Site::new().page("/sitemap.xml", Page::xml(urlset(&["http://a.example/1"; 5000])));
    let run = Run::of(Web::new().host("a.example", site), &["http://a.example"]);
    run.crawl();
    let mut child = run.command(&["export", "--format", "jsonl"]).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""));
    let output = expect(run.command(&["export", "-o", "/nowhere/out.txt"]), 1);
    assert!(stderr(&output).contains("/nowhere/out.txt"), "{}", stderr(&output));
}

#[test]
fn status_tells_what_is_done_and_what_remains() {
    let site = Site::new().page("/sitemap.xml", Page::xml(urlset(&["http://a.example/1"])));
    let run = Run::of(Web::new().host("a.example", site), &["http://a.example"]);
    run.crawl();
    let text = stdout(&expect(run.command(&["status"]), 0));
    assert!(text.contains("complete"), "{text}");
    let status: serde_json::Value =
        serde_json::from_slice(&expect(run.command(&["status", "--format", "json"]), 0).stdout).unwrap();
    assert_eq!(status["state"], "complete", "{status}");
}

#[test]
fn the_small_commands_end_quietly_when_their_output_is_a_closed_pipe() {
    let dir = tempfile::tempdir().unwrap();
    let robots = dir.path().join("robots.txt");
    std::fs::write(&robots, "User-agent: *\nDisallow:\n").unwrap();
    let robots = robots.to_str().unwrap();
    for args in [
        &["man"][..],
        &["completions", "bash"],
        &["completions", "zsh"],
        &["robots", robots, "--agent", "probe", "--url", "/a"],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = expect(
            {
                let mut command = crawl_with(args);
                command.stdout(writer);
                command
            },
            0,
        );
        assert_eq!(stderr(&output), "", "{args:?}");
    }
}

#[test]
fn help_man_and_completions_name_every_flag_of_a_crawl() {
    for args in [&["--help"][..], &["man"], &["completions", "bash"]] {
        let text = stdout(&expect(crawl_with(args), 0)).replace('\\', "");
        for flag in [
            "--seeds",
            "--rate",
            "--concurrency",
            "--max-depth",
            "--connect-to",
            "--allow-private",
            "--strict",
        ] {
            assert!(text.contains(flag), "{args:?} does not name {flag}");
        }
    }
}

#[test]
fn what_is_printed_for_nobody_is_no_failure() {
    for (args, code) in [(&["man"][..], 0), (&["completions", "bash"], 0), (&["--help"], 0), (&[], 2)] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = crawl_with(args);
        command.stdout(writer);
        assert_eq!(stderr(&expect(command, code)), "", "{args:?}");
    }
}

#[test]
fn an_export_removes_what_a_killed_one_left_and_nothing_else() {
    let page = Page::xml(urlset(&["https://a.test/1"]));
    let run = Run::of(Web::new().host("a.test", Site::new().page("/sitemap.xml", page)), &["a.test"]);
    run.crawl();
    let names =
        ["out.txt.7.unfinished", "out.txt.8.unfinished", "out.txt.mine.unfinished", "other.7.unfinished"];
    let files = names.map(|name| std::fs::File::create(run.path(name)).unwrap());
    // As by an export that is still running.
    files[1].lock().unwrap();
    let mut export = run.command(&["export", "--format", "txt"]);
    export.arg("-o").arg(run.path("out.txt"));
    expect(export, 0);
    assert_eq!(std::fs::read_to_string(run.path("out.txt")).unwrap(), "https://a.test/1\n");
    assert_eq!(names.map(|name| run.path(name).exists()), [false, true, true, true]);
    let unfinished = std::fs::read_dir(run.path("")).unwrap();
    let unfinished = unfinished
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().ends_with(".unfinished"));
    assert_eq!(unfinished.count(), 3);
}
