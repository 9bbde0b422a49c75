//! A bar that shows where time went.

use frontier::Stage;

use super::micros;
use crate::escape::Printable;
use crate::units::percent;
use crate::{PerStage, Report};

/// A part of a bar is named inside it where it takes at least this share…
const NAMED_SHARE: f64 = 0.07;

/// …and on a narrow screen, where it takes at least this one.
const NAMED_SHARE_NARROW: f64 = 0.27;

/// The time of some requests, as a bar of its stages.
pub(super) struct Bar {
    pub(super) caption: String,
    pub(super) total: String,
    pub(super) parts: Vec<Part>,
}

/// One stage of a bar.
pub(super) struct Part {
    pub(super) stage: &'static str,
    /// Where it begins, in per cent of the bar.
    pub(super) at: String,
    /// How long it is, in per cent of the bar.
    pub(super) width: String,
    /// For whoever points at it: `tls: 6.8 s, 20 %`.
    pub(super) title: String,
    pub(super) is_named: bool,
    /// Whether its name fits on a narrow screen too.
    pub(super) is_long: bool,
}

/// All requests, and those of the host that ended last, which is what the verdict rests on.
pub(super) fn bars(report: &Report) -> Vec<Bar> {
    let all = PerStage::new(|stage| report.stages.get(stage).total_s);
    let last = report.verdict.evidence.critical_host.as_ref().and_then(|origin| {
        let host = report.hosts.get(origin)?;
        let caption = format!("The host that ended last: {}", Printable(origin));
        bar(caption, &PerStage::new(|stage| host.stages.get(stage).total_s))
    });
    [bar("All requests together".to_owned(), &all), last].into_iter().flatten().collect()
}

/// A bar of these stages, in seconds; `None` where none took any time.
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
            title: format!("{}: {}, {}", stage.as_str(), micros(total_s), percent(share)),
            is_named: share >= NAMED_SHARE,
            is_long: share >= NAMED_SHARE_NARROW,
        });
        at += share;
    }
    Some(Bar { caption, total: micros(whole_s), parts })
}

/// What a stage is, for those who meet it for the first time.
pub(super) fn meaning(stage: Stage) -> &'static str {
    match stage {
        Stage::Politeness => "its pace withheld the request",
        Stage::Slot => "no worker was free",
        Stage::Dns => "resolving the name",
        Stage::Connect => "making the connection",
        Stage::Tls => "TLS handshake",
        Stage::FirstByte => "waiting for the answer to begin",
        Stage::Body => "waiting for the rest of it",
        Stage::Inflate => "inflating",
        Stage::Parse => "reading the document",
        Stage::Record => "until it was durable",
    }
}
