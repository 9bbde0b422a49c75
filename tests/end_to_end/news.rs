//! A crawl of the news web, as in the demo.

use std::time::Duration;

use fakesite::{Latency, ServeOptions, news};

use super::run::Run;

/// The report of every host matches the plan of the web, and the export matches both.
#[test]
fn the_news_web_is_read_whole_and_every_host_account_agrees_with_the_plan() {
    let options = news::Options::default();
    let latency = Latency::fixed(Duration::from_millis(2));
    let server = news::web(options).serve(ServeOptions { latency, ..ServeOptions::default() }).unwrap();
    let run = Run::on(server, &news::host_names()).flags(&["--timeout", "3", "--host-concurrency", "4"]);
    run.crawl();
    let report = run.report();
    let expected = news::expected(options);

    assert_eq!(report["crawl"]["state"], "complete");
    assert_eq!(report["totals"]["entries"]["kept"], expected.total.entries);
    assert_eq!(run.export("txt").lines().count() as u64, expected.total.entries);
    for (name, plan) in expected.hosts {
        let host = &report["hosts"][format!("https://{name}")];
        let sitemaps = &host["sitemaps"];
        let failed: u32 = plan.failed.values().sum();
        let seen =
            [&host["entries"]["kept"], &sitemaps["fetched"], &sitemaps["redirected"], &sitemaps["failed"]];
        let planned = [plan.entries, plan.fetched.into(), plan.redirected.into(), failed.into()];
        assert_eq!(seen.map(|value| value.as_u64().unwrap()), planned, "{name}: {host}");
        assert_eq!(host["errors"]["timeout"].as_u64(), plan.hangs.then_some(1), "{name}: {host}");
        assert_eq!(host["complete"], failed == 0 && !plan.hangs, "{name}: {host}");
    }
}
