//! Shows the progress of a crawl: one line on a terminal, otherwise log lines.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use crawler::ProgressState;
use frontier::schedule::WaitingFor;
use frontier::work_queue::Counts;
use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use tokio::sync::watch;

/// How often the progress is logged if stderr is not a terminal.
const LOG_EVERY: Duration = Duration::from_secs(10);
/// Time over which the rate of entries is measured.
const RATE_OVER: Duration = Duration::from_secs(2);

/// Shows the progress of a crawl.
pub struct ProgressLine {
    bar: Option<ProgressBar>,
    is_quiet: bool,
    last_log: Instant,
    rate_from: (Instant, u64),
    rate: f64,
}

impl ProgressLine {
    /// Creates a progress line if stderr is a terminal and `is_wanted`.
    pub fn new(is_wanted: bool, is_quiet: bool) -> Self {
        let bar = (is_wanted && std::io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::new_spinner();
            // Cannot fail, because the template is constant.
            if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {wide_msg}") {
                bar.set_style(style);
            }
            bar
        });
        let now = Instant::now();
        Self { bar, is_quiet: is_quiet || !is_wanted, last_log: now, rate_from: (now, 0), rate: 0.0 }
    }

    /// Shows each state until the crawl has ended. Then removes the progress line, so that later output begins on an empty
    /// line.
    pub async fn show_all(mut self, mut states: watch::Receiver<ProgressState>) {
        while states.changed().await.is_ok() {
            self.show(&states.borrow_and_update());
        }
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    fn show(&mut self, state: &ProgressState) {
        self.measure_rate(state.counts.entries);
        if let Some(bar) = &self.bar {
            bar.set_message(line(state, self.rate));
            bar.tick();
        } else if !self.is_quiet && self.last_log.elapsed() >= LOG_EVERY {
            self.last_log = Instant::now();
            let Counts { hosts, hosts_done, tasks_pending, entries, .. } = state.counts;
            let (errors, in_flight, waiting_for) =
                (state.errors, state.in_flight, waiting(state.waiting_for));
            let rate = self.rate.round() as u64;
            tracing::info!(
                hosts_done,
                hosts,
                tasks_pending,
                entries,
                rate,
                errors,
                in_flight,
                waiting_for,
                "crawling"
            );
        }
    }

    /// The progress line, which must be hidden while a log line is written.
    pub fn bar(&self) -> Option<ProgressBar> {
        self.bar.clone()
    }

    fn measure_rate(&mut self, entries: u64) {
        let (since, before) = self.rate_from;
        let span = since.elapsed();
        if span >= RATE_OVER {
            self.rate = entries.saturating_sub(before) as f64 / span.as_secs_f64();
            self.rate_from = (Instant::now(), entries);
        }
    }
}

fn line(state: &ProgressState, rate: f64) -> String {
    let counts = &state.counts;
    format!(
        "hosts {}/{} · tasks waiting {} · entries {} ({}/s) · errors {} · {}",
        counts.hosts_done,
        counts.hosts,
        HumanCount(counts.tasks_pending),
        HumanCount(counts.entries),
        HumanCount(rate as u64),
        HumanCount(state.errors),
        waiting(state.waiting_for),
    )
}

/// The number of hosts by what they wait for, the largest number first.
fn waiting(hosts: WaitingFor) -> String {
    let WaitingFor { answer, slot, pace, cooldown, retry, tasks } = hosts;
    let mut groups = [
        (answer, "for an answer"),
        (slot, "for a free slot"),
        (pace, "for their pace"),
        (cooldown, "on cooldown"),
        (retry, "for a retry"),
        (tasks, "for tasks"),
    ];
    groups.sort_by_key(|(hosts, _)| std::cmp::Reverse(*hosts));
    let groups: Vec<String> = groups
        .iter()
        .filter(|(hosts, _)| *hosts > 0)
        .map(|(hosts, reason)| format!("{hosts} {reason}"))
        .collect();
    if groups.is_empty() { "no host is waiting".to_owned() } else { format!("hosts: {}", groups.join(", ")) }
}
