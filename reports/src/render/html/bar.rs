//! Bars that show the time of requests by stage.

use frontier::Stage;

use crate::escape::Printable;
use crate::figures::PerStage;
use crate::report::Report;
use crate::units::{percent, span_s};

/// A part of a bar has its name inside it if it takes at least this share…
const NAMED_SHARE: f64 = 0.07;

/// …or at least this share on a narrow screen.
const NAMED_SHARE_NARROW: f64 = 0.27;

/// Time of a set of requests by stage, drawn as a bar.
pub(super) struct Bar {
    pub(super) caption: String,
    pub(super) total: String,
    pub(super) parts: Vec<Part>,
}

/// One stage of a bar.
pub(super) struct Part {
    pub(super) stage: &'static str,
    /// Start, in per cent of the bar.
    pub(super) at: String,
    /// Length, in per cent of the bar.
    pub(super) width: String,
    /// Tooltip: `tls: 6.8 s, 20 %`.
    pub(super) title: String,
    pub(super) is_named: bool,
    /// Whether the name also fits on a narrow screen.
    pub(super) is_long: bool,
}

/// A bar of all requests, and one of the host that ended last, which decides the verdict.
pub(super) fn bars(report: &Report) -> Vec<Bar> {
    let all = PerStage::new(|stage| report.stages.get(stage).total_s);
    let last = report.verdict.evidence.critical_host.as_ref().and_then(|origin| {
        let host = report.hosts.get(origin)?;
        let caption = format!("The host that ended last: {}", Printable(origin));
        bar(caption, &PerStage::new(|stage| host.stages.get(stage).total_s))
    });
    [bar("All requests".to_owned(), &all), last].into_iter().flatten().collect()
}

/// A bar of these stages, in seconds; `None` if no stage took any time.
fn bar(caption: String, stages: &PerStage<f64>) -> Option<Bar> {
    let whole_s: f64 = stages.iter().map(|(_, total_s)| total_s).sum();
    if whole_s <= 0.0 {
        return None;
    }
    let mut at = 0.0;
    let mut parts = Vec::new();
    for (stage, &total_s) in stages.iter().filter(|(_, total_s)| **total_s > 0.0) {
        let share = total_s / whole_s;
        parts.push(Part {
            stage: stage.as_str(),
            at: format!("{:.3}%", at * 100.0),
            width: format!("{:.3}%", share * 100.0),
            title: format!("{}: {}, {}", stage.as_str(), span_s(total_s), percent(share)),
            is_named: share >= NAMED_SHARE,
            is_long: share >= NAMED_SHARE_NARROW,
        });
        at += share;
    }
    Some(Bar { caption, total: span_s(whole_s), parts })
}

/// Explains a stage to readers who do not know it.
pub(super) fn meaning(stage: Stage) -> &'static str {
    match stage {
        Stage::Politeness => "waiting for the politeness delay",
        Stage::Slot => "waiting for a free slot",
        Stage::Dns => "resolving the host name",
        Stage::Connect => "connecting",
        Stage::Tls => "TLS handshake",
        Stage::FirstByte => "waiting for the response to begin",
        Stage::Body => "waiting for the rest of the response",
        Stage::Inflate => "decompressing",
        Stage::Parse => "parsing the document",
        Stage::Record => "making the outcome durable",
    }
}
