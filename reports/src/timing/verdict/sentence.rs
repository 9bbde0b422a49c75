//! The text of a verdict: the reason with its arithmetic, what would shorten the crawl, and what would not.

use frontier::Stage;

use super::super::critical_line::CriticalLine;
use super::evidence::Evidence;
use super::facts::{CpuShortage, Facts};
use super::time_by_bound::{Bound, TimeByBound};
use crate::escape::Printable;
use crate::figures::{State, share};
use crate::units::{counted, percent, span};

/// The text of the verdict.
pub(super) fn sentence(facts: &Facts<'_>, bound: Option<Bound>, evidence: &Evidence) -> String {
    let progress = progress(facts);
    let (Some(bound), Some(line)) = (bound, &facts.line) else {
        return format!("{progress}{}", no_verdict(facts));
    };
    let reason = match bound {
        Bound::Cpu if facts.is_machine_busy() => busy_cores(facts),
        _ => critical_line(facts, line, bound, evidence),
    };
    let all_hosts = if facts.is_machine_busy() { String::new() } else { all_hosts(facts, bound, evidence) };
    let remedy = remedy(facts, line, bound);
    format!("{progress}{reason}{remedy}{all_hosts}{}", other_programs(facts, line, bound))
}

/// How far the crawl is, if it has not ended.
fn progress(facts: &Facts<'_>) -> String {
    let left = counted(facts.tasks_pending, "task");
    match facts.state {
        State::Complete => String::new(),
        State::Interrupted => format!("Interrupted with {left} left; until then: "),
        State::Running => format!("Still running with {left} left; so far: "),
    }
}

/// Why there is no verdict.
fn no_verdict(facts: &Facts<'_>) -> String {
    match facts.line {
        None if facts.hosts == 0 => "there are no hosts to crawl, so there is no verdict.".to_owned(),
        None => {
            format!("no requests were made ({} known), so there is no verdict.", counted(facts.hosts, "host"))
        }
        Some(_) => "the requests took no measurable time, so there is no verdict.".to_owned(),
    }
}

/// Why the CPU limited the crawl, by the CPU clocks.
fn busy_cores(facts: &Facts<'_>) -> String {
    let cores = match facts.cpu.cores {
        1 => "the one core was".to_owned(),
        cores => format!("the {cores} cores{} were", facts.of_workers()),
    };
    format!(
        "The CPU limited the crawl: over {} {cores} {} busy, {} with this crawl ({:.1} s of CPU time).",
        span(facts.sessions.wall_us()),
        percent(facts.cpu.machine_utilisation),
        percent(facts.cpu.utilisation),
        facts.cpu.process_s,
    )
}

/// Why `bound` limited the crawl, by the line of the host that ended last.
fn critical_line(facts: &Facts<'_>, line: &CriticalLine, bound: Bound, evidence: &Evidence) -> String {
    let time = evidence.critical_line_s;
    let (bound_us, total_us) = (time.by(bound), time.total_us());
    let host = Printable(evidence.critical_host.as_deref().unwrap_or_default());
    let requests = counted(line.requests, "request");
    // On one machine each run is a session, a word that users know.
    let run = if facts.sessions.is_shared() { "runs" } else { "sessions" };
    let subject = match line.runs {
        1 => format!("{host} ended last. Its {requests}"),
        runs => format!(
            "Of the hosts that ended last in each of {runs} {run}, {host} took longest. The {requests} of these hosts"
        ),
    };
    format!(
        "{subject} took {}: {} ({}) was {}, {} everything else.",
        span(total_us),
        span(bound_us),
        percent(share(bound_us, total_us)),
        activity(facts, line, bound),
        span(total_us - bound_us),
    )
}

/// What the time of `bound` was spent on.
fn activity(facts: &Facts<'_>, line: &CriticalLine, bound: Bound) -> String {
    match bound {
        Bound::Politeness if waits_for_retries(line) => {
            format!("politeness delay (most of it, {}, before retries)", span(line.waits.retries_us))
        }
        Bound::Politeness => "politeness delay".to_owned(),
        Bound::Concurrency => format!("waiting for a free --concurrency slot{}", facts.of_workers()),
        Bound::Cpu => "inflate, parse and record".to_owned(),
        Bound::Network => {
            let parts = [
                (Stage::Dns, "resolving names"),
                (Stage::Connect, "connecting"),
                (Stage::Tls, "in TLS handshakes"),
                (Stage::FirstByte, "waiting for the first byte"),
                (Stage::Body, "receiving the body"),
            ];
            let longest = parts.into_iter().max_by_key(|(stage, _)| line.stages[*stage]);
            let (part_us, part) = longest.map_or((0, ""), |(stage, part)| (line.stages[stage], part));
            format!("network time (the longest part, {}, {part})", span(part_us))
        }
    }
}

/// Whether more than half of the politeness delay came before retries.
fn waits_for_retries(line: &CriticalLine) -> bool {
    line.waits.retries_us > line.stages[Stage::Politeness] / 2
}

/// Whether more than half of the network time was that of requests that timed out.
fn waits_for_timeouts(line: &CriticalLine) -> bool {
    line.waits.timeouts_us > TimeByBound::of(&line.stages).network_us / 2
}

/// What would shorten the crawl, and what would not.
fn remedy(facts: &Facts<'_>, line: &CriticalLine, bound: Bound) -> String {
    let remedy = match bound {
        Bound::Politeness if waits_for_retries(line) => {
            "Before each retry the crawler waits as long as the site asks (Retry-After), or longer with each \
             attempt. A site that answers would shorten the crawl. A higher --rate, more --concurrency, cores or \
             machines would not."
        }
        Bound::Politeness => {
            "A higher --rate would shorten the crawl, unless the site itself asks for the delay (Crawl-delay, \
             Retry-After). More --concurrency, cores or machines would not."
        }
        Bound::Concurrency if facts.sessions.is_shared() => {
            "More --concurrency or more workers would shorten the crawl. So would servers that answer faster, because \
             slots are free again sooner. A faster network to this host alone, a higher --rate or more cores would not."
        }
        Bound::Concurrency => {
            "More --concurrency would shorten the crawl. So would servers that answer faster, because slots are free \
             again sooner. A faster network to this host alone, a higher --rate or more cores would not."
        }
        Bound::Cpu if facts.shortage() != CpuShortage::None => {
            "More cores, or more machines sharing the crawl, would shorten it. A faster network, a higher --rate or \
             more --concurrency would not."
        }
        Bound::Cpu => {
            "The documents of a host are processed one after the other. A faster core or disk would shorten the crawl, \
             or a higher --host-concurrency on a site of your own. More cores, a faster network, a higher --rate or \
             more --concurrency would not."
        }
        Bound::Network if waits_for_timeouts(line) => {
            let (timeouts, took) = (counted(line.waits.timeouts, "time-out"), span(line.waits.timeouts_us));
            return format!(
                " This includes {timeouts}, which took {took}. A shorter --timeout would shorten the crawl. A higher \
                 --rate, more --concurrency or cores would not."
            );
        }
        Bound::Network => {
            "A faster server or network would shorten the crawl, or a higher --host-concurrency on a site of your own. \
             A higher --rate, more --concurrency or cores would not."
        }
    };
    format!(" {remedy}")
}

/// A reservation, if other programs kept the cores busy.
fn other_programs(facts: &Facts<'_>, line: &CriticalLine, bound: Bound) -> String {
    // Politeness delays and time-outs take as long on an idle machine.
    let is_certain = bound == Bound::Politeness || bound == Bound::Network && waits_for_timeouts(line);
    if is_certain || !facts.is_machine_busy_with_others() {
        return String::new();
    }
    format!(
        " Other programs kept the cores busy during the crawl ({} in all, {} with this crawl), so part of this time \
         may have been a wait for a core.",
        percent(facts.cpu.machine_utilisation),
        percent(facts.cpu.utilisation),
    )
}

/// The sum over all hosts, if it gives another bound.
fn all_hosts(facts: &Facts<'_>, bound: Bound, evidence: &Evidence) -> String {
    let time = evidence.all_hosts_s;
    match evidence.all_hosts_bound.filter(|sum_bound| *sum_bound != bound) {
        None => String::new(),
        Some(sum_bound) => format!(
            " Summed over all {}, however, {} took the most time: {} of {} ({}).",
            counted(facts.hosts, "host"),
            sum_bound.as_str(),
            span(time.by(sum_bound)),
            span(time.total_us()),
            percent(share(time.by(sum_bound), time.total_us())),
        ),
    }
}
