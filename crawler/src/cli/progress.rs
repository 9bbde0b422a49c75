//! What a person sees while the crawl runs: one line on a terminal, log lines elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use frontier::schedule::WaitingFor;
use frontier::work_queue::Counts;
use indicatif::{HumanCount, ProgressBar, ProgressStyle};

/// How often a log line tells the progress where there is no terminal.
const LOG_EVERY: Duration = Duration::from_secs(10);
/// The span over which the rate of entries is taken.
const RATE_OVER: Duration = Duration::from_secs(2);

/// Shows how far the crawl is.
#[cfg_attr(feature = "shared", derive(Clone))]
pub struct Progress {
    bar: Option<ProgressBar>,
    is_quiet: bool,
    last_log: Instant,
    rate_from: (Instant, u64),
    rate: f64,
}

/// What is shown.
pub struct Shown<'a> {
    /// The queue's totals.
    pub counts: &'a Counts,
    /// Requests in flight.
    pub in_flight: usize,
    /// Errors so far.
    pub errors: u64,
    /// What the crawl waits for now.
    pub waiting_for: WaitingFor,
}

impl Progress {
    /// A line on the terminal, where stderr is one and `is_wanted`.
    pub fn new(is_wanted: bool, is_quiet: bool) -> Self {
        let bar = (is_wanted && std::io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::new_spinner();
            // The template is ours and fixed.
            if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {wide_msg}") {
                bar.set_style(style);
            }
            bar
        });
        let now = Instant::now();
        Self { bar, is_quiet: is_quiet || !is_wanted, last_log: now, rate_from: (now, 0), rate: 0.0 }
    }

    /// Shows the present state; cheap to call often.
    pub fn show(&mut self, shown: &Shown<'_>) {
        self.take_rate(shown.counts.entries);
        if let Some(bar) = &self.bar {
            bar.set_message(line(shown, self.rate));
            bar.tick();
        } else if !self.is_quiet && self.last_log.elapsed() >= LOG_EVERY {
            self.last_log = Instant::now();
            let Counts { hosts, hosts_done, tasks_pending, entries, .. } = *shown.counts;
            let (errors, in_flight, waiting_for) =
                (shown.errors, shown.in_flight, waiting(shown.waiting_for));
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

    /// Takes the line away, so that what follows begins on a clean one.
    pub fn finish(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    /// The bar, for log lines that must not run through it.
    pub fn bar(&self) -> Option<ProgressBar> {
        self.bar.clone()
    }

    fn take_rate(&mut self, entries: u64) {
        let (since, before) = self.rate_from;
        let span = since.elapsed();
        if span >= RATE_OVER {
            self.rate = entries.saturating_sub(before) as f64 / span.as_secs_f64();
            self.rate_from = (Instant::now(), entries);
        }
    }
}

fn line(shown: &Shown<'_>, rate: f64) -> String {
    let counts = shown.counts;
    format!(
        "hosts {}/{} · tasks waiting {} · entries {} ({}/s) · errors {} · {}",
        counts.hosts_done,
        counts.hosts,
        HumanCount(counts.tasks_pending),
        HumanCount(counts.entries),
        HumanCount(rate as u64),
        HumanCount(shown.errors),
        waiting(shown.waiting_for),
    )
}

/// Which hosts wait for what, the largest group first.
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
        .map(|(hosts, what)| format!("{hosts} {what}"))
        .collect();
    if groups.is_empty() { "nothing to wait for".to_owned() } else { format!("hosts: {}", groups.join(", ")) }
}
