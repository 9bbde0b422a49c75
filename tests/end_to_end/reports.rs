//! Reports of a data dir in any state name that state in each format, and contain no invalid number such as NaN.

use std::path::Path;
use std::time::Duration;

use fakesite::{Latency, Misbehaviour, Page, ServeOptions, Server, Site, Web, plain};
use serde_json::Value;

use super::run::{Run, crawl_with, expect, start, stderr, stdout, urlset, wait_until};

const FORMATS: [&str; 3] = ["text", "json", "html"];

pub const WEB: plain::Options = plain::Options { hosts: 3, sitemaps: 20, entries: 10 };

/// The report in each format.
struct Reports {
    text: String,
    json: Value,
    html: String,
}

impl Reports {
    fn of(run: &Run) -> Self {
        let [text, json, html] =
            FORMATS.map(|format| stdout(&expect(run.command(&["report", "--format", format]), 0)));
        let reports = Self { text, json: serde_json::from_str(&json).unwrap(), html };
        reports.check();
        reports
    }

    /// Checks what must hold for every report.
    fn check(&self) {
        for line in self.text.lines() {
            assert!(line.chars().count() <= 80, "{} columns: {line}", line.chars().count());
        }
        for text in [&self.text, &self.html] {
            let mut words = text.split(|character: char| !character.is_alphanumeric());
            assert!(!words.any(|word| ["NaN", "inf"].contains(&word)), "{text}");
        }
        let mut nulls = Vec::new();
        nulls_of("", &self.json, &mut nulls);
        // These keys may be null. An invalid number would be written as null too.
        let allowed = |name: &String| {
            ["started_at", "ended_at", "bound", "critical_host", "all_hosts_bound", "settings"]
                .iter()
                .any(|key| name.ends_with(&format!("/{key}")))
        };
        nulls.retain(|name| !allowed(name));
        assert_eq!(nulls, Vec::<String>::new());
    }

    /// Checks that every format names the state, and that the verdict begins with `sentence_begins`.
    fn assert_state(&self, state: &str, sentence_begins: &str) {
        assert_eq!(self.json["crawl"]["state"], state);
        assert!(self.text.contains(&format!("Crawl     {state}, ")), "{}", self.text);
        assert!(self.html.contains(&format!("\">{state}</span>")), "{}", self.html);
        let sentence = self.json["verdict"]["sentence"].as_str().unwrap();
        assert!(sentence.starts_with(sentence_begins), "{sentence}");
        let [words_of_text, words_of_sentence] =
            [&self.text, sentence].map(|text| text.split_whitespace().collect::<String>());
        assert!(words_of_text.contains(&words_of_sentence), "{}\n{sentence}", self.text);
    }
}

fn nulls_of(name: &str, value: &Value, nulls: &mut Vec<String>) {
    match value {
        Value::Null => nulls.push(name.to_owned()),
        Value::Object(object) => {
            object.iter().for_each(|(key, value)| nulls_of(&format!("{name}/{key}"), value, nulls));
        }
        Value::Array(array) => array.iter().for_each(|value| nulls_of(name, value, nulls)),
        _ => {}
    }
}

/// Checks that a report of `data_dir` fails in each format with a message that contains all of `said`, and writes
/// nothing.
fn assert_refused(data_dir: &Path, said: &[&str]) {
    for format in FORMATS {
        let out = data_dir.with_extension("report");
        let mut command = crawl_with(&["report", "--format", format]);
        command.arg("--data-dir").arg(data_dir).arg("-o").arg(&out);
        let output = expect(command, 1);
        for text in said {
            assert!(stderr(&output).contains(text), "{format}: {}", stderr(&output));
        }
        assert!(!out.exists(), "{format}");
    }
}

#[test]
fn where_there_is_no_crawl_a_report_says_so_and_makes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (none, empty) = (dir.path().join("none"), dir.path().join("empty"));
    std::fs::create_dir(&empty).unwrap();
    for path in [&none, &empty] {
        assert_refused(path, &["no crawl in ", "hint: start a crawl"]);
    }
    assert!(!none.exists());
    assert_eq!(std::fs::read_dir(&empty).unwrap().count(), 0);
    // Seeds without a site start no crawl.
    let seeds = dir.path().join("seeds.txt");
    std::fs::write(&seeds, "# sites\n\n# to come\n").unwrap();
    let mut command = crawl_with(&["--seeds"]);
    command.arg(&seeds).arg("--data-dir").arg(&none);
    assert!(stderr(&expect(command, 2)).contains("the seeds contain no site"));
    assert_refused(&none, &["no crawl in "]);
}

#[test]
fn a_crawl_that_was_killed_before_its_first_answer_has_a_report() {
    let silent = Site::new().misbehaves(Misbehaviour::NeverAnswers);
    let run = Run::of(Web::new().host("silent.test", silent), &["http://silent.test"]);
    let mut crawl = start(run.crawl_command());
    wait_until("the crawl is shown as running", || {
        let status = run.command(&["status", "--format", "json"]).output().unwrap();
        serde_json::from_slice(&status.stdout).is_ok_and(|status: Value| status["state"] == "running")
    });
    let begins = "Still running with 1 task left; so far: no requests were made (1 host known)";
    Reports::of(&run).assert_state("running", begins);
    crawl.kill().unwrap();
    crawl.wait().unwrap();
    let reports = Reports::of(&run);
    let begins = "Interrupted with 1 task left; until then: no requests were made (1 host known)";
    reports.assert_state("interrupted", begins);
    assert_eq!(reports.json["totals"]["requests"], 0);
    assert!(reports.text.starts_with("No bound\n"), "{}", reports.text);
    assert!(reports.text.contains("continue the crawl: crawl resume"), "{}", reports.text);
}

/// Serves with so much latency that the crawl is bound by the network and the verdict names the host, even on a busy
/// machine.
fn serve_slowly(web: Web) -> Server {
    let latency = Latency::fixed(Duration::from_millis(100));
    web.serve(ServeOptions { latency, ..ServeOptions::default() }).unwrap()
}

/// A crawl of a few hosts and one that never answers, which keeps the crawl running.
pub fn crawl_that_does_not_end() -> Run {
    let web = plain::web(WEB).host("silent.test", Site::new().misbehaves(Misbehaviour::NeverAnswers));
    let latency = Latency::fixed(Duration::from_millis(10));
    let server = web.serve(ServeOptions { latency, ..ServeOptions::default() }).unwrap();
    let seeds: Vec<String> = (0..WEB.hosts).map(plain::host_name).chain(["silent.test".to_owned()]).collect();
    let seeds: Vec<&str> = seeds.iter().map(String::as_str).collect();
    Run::on(server, &seeds).flags(&["--timeout", "600"])
}

/// The data of the page, which its script draws.
fn data(html: &str) -> Value {
    let (_, after) = html.split_once("<script type=\"application/json\" id=\"data\">").unwrap();
    serde_json::from_str(after.split_once("</script>").unwrap().0).unwrap()
}

/// Entries kept according to `crawl status`; 0 while there is no data dir yet.
pub fn kept(run: &Run) -> u64 {
    status(run).map_or(0, |status| status["entries"]["kept"].as_u64().unwrap())
}

fn is_running(run: &Run) -> bool {
    status(run).is_some_and(|status| status["state"] == "running")
}

fn status(run: &Run) -> Option<Value> {
    serde_json::from_slice(&run.command(&["status", "--format", "json"]).output().unwrap().stdout).ok()
}

#[test]
fn interrupted_and_running_crawls_are_reported_over_all_their_sessions() {
    let run = crawl_that_does_not_end();
    let mut crawl = start(run.crawl_command());
    wait_until("some of it is kept", || kept(&run) > 0);
    crawl.kill().unwrap();
    crawl.wait().unwrap();
    let first = Reports::of(&run);
    first.assert_state("interrupted", "Interrupted with ");
    let first_s = first.json["crawl"]["wall_s"].as_f64().unwrap();

    let mut crawl = start(run.resume_command(&[]));
    // All entries may have been kept before the kill. Then only the state shows that the second session is running.
    wait_until("the rest is kept", || is_running(&run) && kept(&run) == WEB.entries_in_all());
    let running = Reports::of(&run);
    running.assert_state("running", "Still running with 1 task left; so far: ");
    crawl.kill().unwrap();
    crawl.wait().unwrap();
    let killed = Reports::of(&run);
    killed.assert_state("interrupted", "Interrupted with 1 task left; until then: ");

    for reports in [&running, &killed] {
        assert_eq!(reports.json["crawl"]["sessions"], 2);
        let (data, json) = (data(&reports.html), &reports.json);
        let timeline = &data["timeline"];
        // The page was generated a moment before or after the other two formats.
        let off_s = timeline["wall_s"].as_f64().unwrap() - json["crawl"]["wall_s"].as_f64().unwrap();
        assert!(off_s.abs() < 30.0, "{off_s}");
        let second_s = timeline["sessions_at_s"][1].as_f64().unwrap();
        assert!((second_s - first_s).abs() < 1e-3, "the pause is left out: {second_s} {first_s}");
        let sum = |key: &str| {
            timeline[key].as_array().unwrap().iter().map(|count| count.as_u64().unwrap()).sum::<u64>()
        };
        assert_eq!(sum("requests"), json["totals"]["requests"].as_u64().unwrap());
        assert_eq!(sum("entries"), WEB.entries_in_all());
        assert_eq!(data["hosts"].as_array().unwrap().len(), WEB.hosts as usize + 1);
        let hosts = data["hosts"].as_array().unwrap();
        let rows = hosts.iter().filter(|host| host["chart_row"].is_string()).count();
        assert!(rows >= WEB.hosts as usize, "{rows}");
        assert!(timeline["entries"].as_array().unwrap().len() > reports::BUCKETS / 2);
    }
}

#[test]
fn a_damaged_data_dir_is_named_with_the_remedy_in_every_format() {
    let page = Page::xml(urlset(&["http://x.example/1"]));
    let site = Site::new().robots("Sitemap: /s.xml\n").page("/s.xml", page);
    let run = Run::on(serve_slowly(Web::new().host("x.example", site)), &["http://x.example"]);
    run.crawl();
    Reports::of(&run).assert_state("complete", "http://x.example ended last. ");
    let segments = std::fs::read_dir(run.data_dir().join("segments")).unwrap();
    let segment = segments.map(|entry| entry.unwrap().path()).find(|path| path.is_file()).unwrap();
    let bytes = std::fs::read(&segment).unwrap();
    std::fs::write(&segment, &bytes[..bytes.len() / 2]).unwrap();
    let name = segment.file_name().unwrap().to_str().unwrap();
    assert_refused(&run.data_dir(), &[name, "crawl rebuild"]);
}

#[test]
fn long_names_and_urls_keep_to_the_columns_and_are_not_lost() {
    let name = format!("{}.example", "a-long-label-of-a-long-name.".repeat(6).trim_end_matches('.'));
    let path = format!("/{}.xml", "a-long-way/".repeat(12));
    let site = Site::new().robots(format!("Sitemap: {path}\n"));
    let seed = format!("http://{name}");
    let run = Run::on(serve_slowly(Web::new().host(&name, site)), &[seed.as_str()]);
    run.crawl();
    let reports = Reports::of(&run);
    let joined: String = reports.text.split_whitespace().collect();
    assert_eq!(joined.matches(&seed).count(), 2, "in the verdict and in the table: {}", reports.text);
    assert!(reports.text.contains("http_status"), "{}", reports.text);
    assert!(joined.contains("answeredwithstatus404") && joined.contains('…'), "{}", reports.text);
    let example = reports.json["examples"]["http_status"].as_str().unwrap();
    assert!(example.contains(&path), "the JSON report has the whole path: {example}");
}
