//! The verdict in one sentence with its arithmetic, what would change it, and what would not.

use frontier::Stage;

use super::super::critical_line::Line;
use super::facts::{Facts, Shortage};
use super::{Bound, Evidence, TimeByBound};
use crate::escape::Printable;
use crate::report::{State, share};
use crate::units::{counted, percent, span};

/// The sentence.
pub(super) fn sentence(facts: &Facts, bound: Option<Bound>, evidence: &Evidence) -> String {
    let standing = standing(facts);
    let (Some(bound), Some(line)) = (bound, &facts.line) else {
        return format!("{standing}{}", nothing(facts));
    };
    let reason = match bound {
        Bound::Cpu if facts.is_machine_busy() => machine(facts),
        _ => critical(facts, line, bound, evidence),
    };
    let dissent = if facts.is_machine_busy() { String::new() } else { dissent(facts, bound, evidence) };
    format!("{standing}{reason}{}{dissent}{}", remedy(facts, line, bound), crowd(facts, line, bound))
}

/// How far the crawl is, where it is not at its end.
fn standing(facts: &Facts) -> String {
    let left = counted(facts.tasks_pending, "task");
    match facts.state {
        State::Complete => String::new(),
        State::Interrupted => format!("Interrupted with {left} left; up to then: "),
        State::Running => format!("Still running with {left} left; so far: "),
    }
}

/// What is to be said where no time was spent.
fn nothing(facts: &Facts) -> String {
    match facts.line {
        None if facts.hosts == 0 => "there is no host to crawl, so there is nothing to judge.".to_owned(),
        None => format!(
            "none of {} was asked for anything, so there is nothing to judge.",
            counted(facts.hosts, "host")
        ),
        Some(_) => "the requests took no measurable time, so there is nothing to judge.".to_owned(),
    }
}

/// Why the processor was the bound, by its clocks.
fn machine(facts: &Facts) -> String {
    let cores = match facts.cpu.cores {
        1 => "its one core was".to_owned(),
        cores => format!("the {cores} cores{} were", facts.of_workers()),
    };
    format!(
        "The processor held it: over {} {cores} {} busy, {} with this crawl ({:.1} s of CPU time).",
        span(facts.wall_us),
        percent(facts.cpu.machine_utilisation),
        percent(facts.cpu.utilisation),
        facts.cpu.process_s,
    )
}

/// Why `bound` held it, by the line of the host that ended last.
fn critical(facts: &Facts, line: &Line, bound: Bound, evidence: &Evidence) -> String {
    let held = evidence.critical_line_s;
    let (held_us, whole_us) = (held.by(bound), held.total_us());
    let host = evidence.critical_host.as_deref().unwrap_or_default();
    // On one machine each run is a session, a word that users know.
    let run = if facts.is_shared { "runs" } else { "sessions" };
    let (who, whose) = match line.runs {
        1 => (format!("{} ended last", Printable(host)), "its"),
        runs => (
            format!("Of the hosts that ended last in each of {runs} {run}, {} took longest", Printable(host)),
            "their",
        ),
    };
    format!(
        "{who}: {} of the {} that {whose} {} took ({}) went into {}, {} into all else.",
        span(held_us),
        span(whole_us),
        counted(line.requests, "request"),
        percent(share(held_us, whole_us)),
        sink(facts, line, bound),
        span(whole_us - held_us),
    )
}

/// What swallows the time that `bound` holds.
fn sink(facts: &Facts, line: &Line, bound: Bound) -> String {
    match bound {
        Bound::Politeness if waits_for_retries(line) => {
            format!(
                "waiting as politeness asks (most of it, {}, before retries)",
                span(line.waits.retries_us)
            )
        }
        Bound::Politeness => "waiting as politeness asks".to_owned(),
        Bound::Concurrency => format!("waiting for a place among --concurrency{}", facts.of_workers()),
        Bound::Cpu => "inflate, parse and record".to_owned(),
        Bound::Network => {
            let parts = [
                (Stage::Dns, "resolving names"),
                (Stage::Connect, "connecting"),
                (Stage::Tls, "TLS handshakes"),
                (Stage::FirstByte, "waiting for the first byte"),
                (Stage::Body, "receiving"),
            ];
            let longest = parts.into_iter().max_by_key(|(stage, _)| line.stages[*stage]);
            let (part_us, part) = longest.map_or((0, ""), |(stage, part)| (line.stages[stage], part));
            format!("the network (most of it, {}, {part})", span(part_us))
        }
    }
}

/// Whether most of what politeness withheld came before retries.
fn waits_for_retries(line: &Line) -> bool {
    line.waits.retries_us > line.stages[Stage::Politeness] / 2
}

/// Whether most of the network's time was that of requests that timed out.
fn waits_for_timeouts(line: &Line) -> bool {
    line.waits.timeouts_us > TimeByBound::of(&line.stages).network_us / 2
}

/// What would change it, and what would not.
fn remedy(facts: &Facts, line: &Line, bound: Bound) -> String {
    let remedy = match bound {
        Bound::Politeness if waits_for_retries(line) => {
            "It waits before it asks again for what failed, as long as the site asks (Retry-After) or a little longer \
             each time: a site that answers would shorten it; a higher --rate, more --concurrency, cores or machines \
             would not."
        }
        Bound::Politeness => {
            "A higher --rate would shorten it, unless the site itself asks for the delay (Crawl-delay, Retry-After); \
             more --concurrency, cores or machines would not."
        }
        Bound::Concurrency if facts.is_shared => {
            "More --concurrency or more workers would shorten it, and so would servers that answer faster, since a \
             place is free again sooner; a faster line to this host alone, a higher --rate or more cores would not."
        }
        Bound::Concurrency => {
            "More --concurrency would shorten it, and so would servers that answer faster, since a place is free \
             again sooner; a faster line to this host alone, a higher --rate or more cores would not."
        }
        Bound::Cpu if facts.shortage() != Shortage::None => {
            "More cores would shorten it, or more machines sharing the crawl; a faster line, a higher --rate or more \
             --concurrency would not."
        }
        Bound::Cpu => {
            "Its documents go one after the other, so a faster core or disk would shorten it, or a higher \
             --host-concurrency on a site of your own; more cores, a faster line, a higher --rate or more \
             --concurrency would not."
        }
        Bound::Network if waits_for_timeouts(line) => {
            let (timeouts, took) = (counted(line.waits.timeouts, "time-out"), span(line.waits.timeouts_us));
            return format!(
                " It has {timeouts}, which took {took}: a shorter --timeout would shorten it; a higher --rate, more \
                 --concurrency or cores would not."
            );
        }
        Bound::Network => {
            "A faster server or line would shorten it, or a higher --host-concurrency on a site of your own; a \
             higher --rate, more --concurrency or cores would not."
        }
    };
    format!(" {remedy}")
}

/// A reservation where others wanted the cores too.
fn crowd(facts: &Facts, line: &Line, bound: Bound) -> String {
    // A pace and a time-out take as long on an idle machine.
    let is_certain = bound == Bound::Politeness || bound == Bound::Network && waits_for_timeouts(line);
    if is_certain || !facts.is_machine_crowded() {
        return String::new();
    }
    format!(
        " Other programs kept the cores busy meanwhile ({} in all, {} with this crawl), so part of this may have been \
         waiting for a core.",
        percent(facts.cpu.machine_utilisation),
        percent(facts.cpu.utilisation),
    )
}

/// The other view, where the sum over hosts points elsewhere.
fn dissent(facts: &Facts, bound: Bound, evidence: &Evidence) -> String {
    let all = evidence.all_hosts_s;
    match evidence.all_hosts_bound.filter(|sum_bound| *sum_bound != bound) {
        None => String::new(),
        Some(sum_bound) => format!(
            " Summed over all {}, {} took the most instead: {} of {} ({}).",
            counted(facts.hosts, "host"),
            sum_bound.as_str(),
            span(all.by(sum_bound)),
            span(all.total_us()),
            percent(share(all.by(sum_bound), all.total_us())),
        ),
    }
}
