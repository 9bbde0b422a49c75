//! What held the crawl, in one sentence with its arithmetic.

use frontier::{HostId, Stage, Stages};
use serde::{Serialize, Serializer};

use super::critical_line::Line;
use super::host_table::{NETWORK, NetworkFloor};
use crate::escape::Printable;
use crate::report::{Cpu, State, seconds, share};
use crate::units::{counted, percent, span};

/// The machine is the bound where its cores were at least this busy…
const MACHINE_BUSY: f64 = 0.9;

/// …and at least this part of that was ours: else somebody else's work held it.
const OURS_OF_BUSY: f64 = 0.5;

/// Places among `--concurrency` are short for want of CPU where we kept at least this much of one core busy throughout.
const CORE_BUSY: f64 = 0.9;

/// What held a crawl or a host.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Bound {
    /// Names, connections, servers and lines.
    Network,
    /// The pace each host is owed.
    Politeness,
    /// Inflating, reading and recording.
    Cpu,
    /// The number of requests allowed in flight.
    Concurrency,
}

impl Bound {
    /// The name in every output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Politeness => "politeness",
            Self::Cpu => "cpu",
            Self::Concurrency => "concurrency",
        }
    }
}

/// What held the crawl, why, and what would help.
#[derive(Clone, Debug, Serialize)]
pub struct Verdict {
    /// The bound; `None` where no request took any time.
    pub bound: Option<Bound>,
    /// The reason with its arithmetic, what would change it, and what would not.
    pub sentence: String,
    /// The figures it rests on.
    pub evidence: Evidence,
}

/// The figures of a verdict.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Evidence {
    /// The host that ended last; of several sessions, the one that took longest.
    pub critical_host: Option<String>,
    /// Its requests, those of the last hosts of other sessions added.
    pub critical_requests: u64,
    /// Where their time went, in seconds.
    pub critical_line_s: Held,
    /// Where the time of all hosts' requests went, in seconds.
    pub all_hosts_s: Held,
    /// The bound by that sum, which may differ.
    pub all_hosts_bound: Option<Bound>,
    /// The crawl's wall time, in seconds.
    pub wall_s: f64,
    /// CPU time of the process, in seconds.
    pub process_s: f64,
    /// How busy all cores were, by anybody.
    pub machine_utilisation: f64,
    /// How busy we kept them.
    pub utilisation: f64,
}

/// Time by what held it, in microseconds; serialised in seconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Held {
    /// Stages `dns` to `body`.
    pub network_us: u64,
    /// Stage `politeness`.
    pub politeness_us: u64,
    /// Stages `inflate`, `parse` and `record`.
    pub cpu_us: u64,
    /// Stage `slot`.
    pub concurrency_us: u64,
}

impl Held {
    /// The stages in their four groups.
    pub fn of(stages: &Stages) -> Self {
        let sum = |group: &[Stage]| group.iter().fold(0_u64, |sum, stage| sum.saturating_add(stages[*stage]));
        Self {
            network_us: sum(&NETWORK),
            politeness_us: sum(&[Stage::Politeness]),
            cpu_us: sum(&[Stage::Inflate, Stage::Parse, Stage::Record]),
            concurrency_us: sum(&[Stage::Slot]),
        }
    }

    /// The time that `bound` held.
    pub fn by(&self, bound: Bound) -> u64 {
        match bound {
            Bound::Network => self.network_us,
            Bound::Politeness => self.politeness_us,
            Bound::Cpu => self.cpu_us,
            Bound::Concurrency => self.concurrency_us,
        }
    }

    /// All of it.
    pub fn total_us(&self) -> u64 {
        let parts = [self.network_us, self.politeness_us, self.cpu_us, self.concurrency_us];
        parts.into_iter().fold(0, u64::saturating_add)
    }

    /// The same, waiting for a place counted as waiting for the processor.
    fn with_slot_as_cpu(self) -> Self {
        Self { cpu_us: self.cpu_us.saturating_add(self.concurrency_us), concurrency_us: 0, ..self }
    }

    /// The same, the network's time beyond `floor` counted as waiting for the processor.
    fn with_late_bytes_as_cpu(self, floor: NetworkFloor) -> Self {
        let network_us = self.network_us.min(floor.us());
        Self { cpu_us: self.cpu_us.saturating_add(self.network_us - network_us), network_us, ..self }
    }

    /// What held most of it; `None` of nothing. Of equals the first of network, politeness, cpu, concurrency.
    fn most(&self) -> Option<Bound> {
        let bounds = [Bound::Concurrency, Bound::Cpu, Bound::Politeness, Bound::Network];
        bounds.into_iter().max_by_key(|bound| self.by(*bound)).filter(|bound| self.by(*bound) > 0)
    }
}

impl Serialize for Held {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let bounds = [Bound::Network, Bound::Politeness, Bound::Cpu, Bound::Concurrency];
        serializer.collect_map(bounds.map(|bound| (bound.as_str(), seconds(self.by(bound)))))
    }
}

/// What a verdict is found from.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub(crate) state: State,
    pub(crate) tasks_pending: u64,
    pub(crate) wall_us: u64,
    pub(crate) cpu: Cpu,
    /// The stages of all requests.
    pub(crate) all_hosts: Stages,
    /// Hosts known.
    pub(crate) hosts: u64,
    /// The host that ended last; `None` without a request.
    pub(crate) line: Option<Line>,
}

impl Facts {
    /// Whether the machine's cores were busy, mostly with us.
    fn is_machine_busy(&self) -> bool {
        let busy = self.cpu.machine_utilisation;
        busy >= MACHINE_BUSY && self.cpu.utilisation >= busy * OURS_OF_BUSY
    }

    /// Whether the cores were busy, mostly with somebody else's work.
    fn is_machine_crowded(&self) -> bool {
        self.cpu.machine_utilisation >= MACHINE_BUSY && !self.is_machine_busy()
    }

    /// What was short of CPU.
    ///
    /// Places were where those that held one spent more of their time inflating, reading and recording than on the
    /// network, and the clocks agree: at least one core's worth of work was done all the time.
    pub(crate) fn shortage(&self) -> Shortage {
        let held = Held::of(&self.all_hosts);
        let is_core_busy = self.cpu.process_s >= seconds(self.wall_us) * CORE_BUSY && self.wall_us > 0;
        match () {
            () if self.is_machine_busy() => Shortage::Everything,
            () if held.cpu_us > held.network_us && is_core_busy => Shortage::Places,
            () => Shortage::None,
        }
    }

    fn held(&self, stages: &Stages) -> Held {
        let held = Held::of(stages);
        if self.shortage() == Shortage::None { held } else { held.with_slot_as_cpu() }
    }
}

/// What was short of CPU in a crawl.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Shortage {
    /// Nothing.
    None,
    /// Places among `--concurrency`: those who held one waited for a core.
    Places,
    /// All of it: the cores were busy with it.
    Everything,
}

/// What held a host with these stages, as far as they prove it.
pub(crate) fn bound_of(stages: &Stages, floor: NetworkFloor, shortage: Shortage) -> Option<Bound> {
    let held = Held::of(stages);
    match shortage {
        Shortage::None => held.most(),
        Shortage::Places => held.with_slot_as_cpu().most(),
        Shortage::Everything => held.with_slot_as_cpu().with_late_bytes_as_cpu(floor).most(),
    }
}

impl Verdict {
    /// Finds it. `origin` names a host.
    pub(crate) fn of(facts: &Facts, origin: impl Fn(HostId) -> Option<String>) -> Self {
        let critical_host =
            facts.line.as_ref().map(|line| origin(line.host).unwrap_or_else(|| line.host.to_string()));
        let critical = facts.line.as_ref().map(|line| facts.held(&line.stages)).unwrap_or_default();
        let all_hosts = facts.held(&facts.all_hosts);
        let bound = critical.most().map(|most| if facts.is_machine_busy() { Bound::Cpu } else { most });
        let evidence = Evidence {
            critical_host,
            critical_requests: facts.line.as_ref().map_or(0, |line| line.requests),
            critical_line_s: critical,
            all_hosts_s: all_hosts,
            all_hosts_bound: all_hosts.most(),
            wall_s: seconds(facts.wall_us),
            process_s: facts.cpu.process_s,
            machine_utilisation: facts.cpu.machine_utilisation,
            utilisation: facts.cpu.utilisation,
        };
        Self { bound, sentence: sentence(facts, bound, &evidence), evidence }
    }
}

fn sentence(facts: &Facts, bound: Option<Bound>, evidence: &Evidence) -> String {
    let standing = standing(facts);
    let (Some(bound), Some(line)) = (bound, &facts.line) else {
        return format!("{standing}{}", nothing(facts));
    };
    let reason = match bound {
        Bound::Cpu if facts.is_machine_busy() => machine(facts),
        _ => critical(line, bound, evidence),
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
        cores => format!("the {cores} cores were"),
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
fn critical(line: &Line, bound: Bound, evidence: &Evidence) -> String {
    let held = evidence.critical_line_s;
    let (held_us, whole_us) = (held.by(bound), held.total_us());
    let host = evidence.critical_host.as_deref().unwrap_or_default();
    let (who, whose) = match line.sessions {
        1 => (format!("{} ended last", Printable(host)), "its"),
        sessions => (
            format!(
                "Of the hosts that ended last in each of {sessions} sessions, {} took longest",
                Printable(host)
            ),
            "their",
        ),
    };
    format!(
        "{who}: {} of the {} that {whose} {} took ({}) went into {}, {} into all else.",
        span(held_us),
        span(whole_us),
        counted(line.requests, "request"),
        percent(share(held_us, whole_us)),
        sink(line, bound),
        span(whole_us - held_us),
    )
}

/// What swallows the time that `bound` holds.
fn sink(line: &Line, bound: Bound) -> String {
    match bound {
        Bound::Politeness if waits_for_retries(line) => {
            format!("waiting as politeness asks (most of it, {}, before retries)", span(line.retries_us))
        }
        Bound::Politeness => "waiting as politeness asks".to_owned(),
        Bound::Concurrency => "waiting for a place among --concurrency".to_owned(),
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
    line.retries_us > line.stages[Stage::Politeness] / 2
}

/// Whether most of the network's time was that of requests that timed out.
fn waits_for_timeouts(line: &Line) -> bool {
    line.timeouts_us > Held::of(&line.stages).network_us / 2
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
            let (timeouts, took) = (counted(line.timeouts, "time-out"), span(line.timeouts_us));
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

#[cfg(test)]
mod tests {
    use frontier::work_queue::SessionRecord;
    use frontier::{ErrorKind, FetchRecord};

    use super::*;
    use crate::Report;
    use crate::made_up::{fetch, host, session, tally};

    const A: &str = "https://a.example";
    const B: &str = "https://b.example";

    fn report(sessions: Vec<SessionRecord>, fetches: &[FetchRecord]) -> Report {
        let mut tally = tally(sessions, [A, B].map(host));
        fetches.iter().for_each(|fetch| tally.add_fetch(fetch));
        tally.finish(serde_json::Value::Null, false)
    }

    fn verdict(sessions: Vec<SessionRecord>, fetches: &[FetchRecord]) -> Verdict {
        report(sessions, fetches).verdict
    }

    #[test]
    fn a_crawl_that_waits_for_its_own_pace_is_bound_by_politeness() {
        let fetches: Vec<FetchRecord> = (0..10)
            .map(|place| {
                fetch(
                    A,
                    place * 1000,
                    &[(Stage::Politeness, 950), (Stage::FirstByte, 40), (Stage::Parse, 10)],
                )
            })
            .collect();
        let verdict = verdict(vec![session(0, 0, 10_000, 300, 400)], &fetches);
        assert_eq!(verdict.bound, Some(Bound::Politeness));
        insta::assert_snapshot!(verdict.sentence, @"https://a.example ended last: 9.5 s of the 10.0 s that its 10 requests took (95 %) went into waiting as politeness asks, 500 ms into all else. A higher --rate would shorten it, unless the site itself asks for the delay (Crawl-delay, Retry-After); more --concurrency, cores or machines would not.");
    }

    #[test]
    fn a_slow_server_makes_the_network_the_bound_and_the_slowest_part_is_named() {
        let stages = [(Stage::Dns, 5), (Stage::Connect, 20), (Stage::FirstByte, 800), (Stage::Body, 100)];
        let verdict = verdict(vec![session(0, 0, 1_000, 30, 40)], &[fetch(A, 0, &stages)]);
        assert_eq!(verdict.bound, Some(Bound::Network));
        insta::assert_snapshot!(verdict.sentence, @"https://a.example ended last: 925 ms of the 925 ms that its 1 request took (100 %) went into the network (most of it, 800 ms, waiting for the first byte), 0 into all else. A faster server or line would shorten it, or a higher --host-concurrency on a site of your own; a higher --rate, more --concurrency or cores would not.");
    }

    #[test]
    fn time_outs_on_the_critical_line_bring_the_advice_of_a_shorter_time_out() {
        let timed_out =
            FetchRecord { error: Some(ErrorKind::Timeout), ..fetch(A, 0, &[(Stage::FirstByte, 30_000)]) };
        let verdict = verdict(vec![session(0, 0, 30_000, 30, 40)], &[timed_out]);
        let sentence = &verdict.sentence;
        assert!(
            sentence.contains("1 time-out, which took 30.0 s: a shorter --timeout would shorten it"),
            "{sentence}"
        );
    }

    #[test]
    fn a_time_out_that_took_little_of_the_line_brings_no_advice() {
        let timed_out =
            FetchRecord { error: Some(ErrorKind::Timeout), ..fetch(A, 0, &[(Stage::FirstByte, 3_000)]) };
        let slow = fetch(A, 3_000, &[(Stage::Body, 27_000)]);
        let verdict = verdict(vec![session(0, 0, 30_000, 30, 40)], &[timed_out, slow]);
        assert!(!verdict.sentence.contains("--timeout"), "{}", verdict.sentence);
        assert!(verdict.sentence.contains("A faster server or line would"), "{}", verdict.sentence);
    }

    #[test]
    fn pauses_before_retries_are_politeness_that_no_rate_shortens() {
        let again =
            FetchRecord { attempt: 2, ..fetch(A, 1_000, &[(Stage::Politeness, 900), (Stage::Body, 50)]) };
        let fetches = [fetch(A, 0, &[(Stage::Politeness, 500), (Stage::Body, 50)]), again];
        let verdict = verdict(vec![session(0, 0, 2_000, 30, 40)], &fetches);
        assert_eq!(verdict.bound, Some(Bound::Politeness));
        insta::assert_snapshot!(verdict.sentence, @"https://a.example ended last: 1.4 s of the 1.5 s that its 2 requests took (93 %) went into waiting as politeness asks (most of it, 900 ms, before retries), 100 ms into all else. It waits before it asks again for what failed, as long as the site asks (Retry-After) or a little longer each time: a site that answers would shorten it; a higher --rate, more --concurrency, cores or machines would not.");
    }

    #[test]
    fn on_a_busy_machine_a_host_is_bound_by_the_network_only_as_far_as_its_quickest_request_proves() {
        let busy = || vec![session(0, 0, 10_000, 18_000, 19_500)];
        let bounds = |sessions, of_b: &[FetchRecord]| {
            let quick = fetch(A, 0, &[(Stage::FirstByte, 2), (Stage::Parse, 20)]);
            let late = fetch(A, 1_000, &[(Stage::FirstByte, 900), (Stage::Parse, 80)]);
            let report = report(sessions, &[&[quick, late], of_b].concat());
            (report.hosts[A].bound, report.hosts[B].bound)
        };
        let far = [100, 1_100, 2_100].map(|at| fetch(B, at, &[(Stage::FirstByte, 800), (Stage::Parse, 80)]));
        assert_eq!(bounds(busy(), &far), (Some(Bound::Cpu), Some(Bound::Network)));
        let silent =
            FetchRecord { error: Some(ErrorKind::Timeout), ..fetch(B, 0, &[(Stage::FirstByte, 9_000)]) };
        let robots = fetch(B, 0, &[(Stage::FirstByte, 1)]);
        assert_eq!(bounds(busy(), &[robots, silent]).1, Some(Bound::Network), "nobody answered it");
        let paced = fetch(B, 0, &[(Stage::Politeness, 5_000), (Stage::FirstByte, 900)]);
        assert_eq!(bounds(busy(), &[paced]).1, Some(Bound::Politeness));
        // A machine with cores to spare makes no byte late.
        let idle = vec![session(0, 0, 10_000, 500, 600)];
        assert_eq!(bounds(idle, &far), (Some(Bound::Network), Some(Bound::Network)));
    }

    #[test]
    fn waiting_for_a_place_while_others_wait_for_the_network_is_concurrency() {
        let stages = [(Stage::Slot, 900), (Stage::FirstByte, 100)];
        let verdict = verdict(vec![session(0, 0, 1_000, 30, 40)], &[fetch(A, 0, &stages)]);
        assert_eq!(verdict.bound, Some(Bound::Concurrency));
        insta::assert_snapshot!(verdict.sentence, @"https://a.example ended last: 900 ms of the 1.0 s that its 1 request took (90 %) went into waiting for a place among --concurrency, 100 ms into all else. More --concurrency would shorten it, and so would servers that answer faster, since a place is free again sooner; a faster line to this host alone, a higher --rate or more cores would not.");
    }

    #[test]
    fn waiting_for_a_place_while_others_wait_for_the_processor_is_cpu() {
        let stages = [(Stage::Slot, 900), (Stage::Parse, 100), (Stage::FirstByte, 5)];
        let verdict = verdict(vec![session(0, 0, 1_000, 950, 960)], &[fetch(A, 0, &stages)]);
        assert_eq!(verdict.bound, Some(Bound::Cpu));
        assert!(verdict.sentence.contains("More cores would shorten it"), "{}", verdict.sentence);
    }

    #[test]
    fn cores_that_we_keep_busy_are_the_bound_whatever_the_stages_say() {
        let verdict =
            verdict(vec![session(0, 0, 1_000, 1_800, 1_900)], &[fetch(A, 0, &[(Stage::FirstByte, 900)])]);
        assert_eq!(verdict.bound, Some(Bound::Cpu));
        insta::assert_snapshot!(verdict.sentence, @"The processor held it: over 1.0 s the 2 cores were 95 % busy, 90 % with this crawl (1.8 s of CPU time). More cores would shorten it, or more machines sharing the crawl; a faster line, a higher --rate or more --concurrency would not.");
    }

    #[test]
    fn cores_that_somebody_else_keeps_busy_are_not_our_bound() {
        let verdict =
            verdict(vec![session(0, 0, 1_000, 100, 2_000)], &[fetch(A, 0, &[(Stage::FirstByte, 900)])]);
        assert_eq!(verdict.bound, Some(Bound::Network));
        let reservation = "Other programs kept the cores busy meanwhile (100 % in all, 5 % with this crawl)";
        assert!(verdict.sentence.contains(reservation), "{}", verdict.sentence);
    }

    #[test]
    fn where_the_sum_over_hosts_disagrees_with_the_last_host_the_sentence_says_so() {
        let fetches = [
            fetch(A, 0, &[(Stage::Body, 9_000)]),
            fetch(B, 0, &[(Stage::Politeness, 9_900), (Stage::Body, 100)]),
        ];
        let verdict = verdict(vec![session(0, 0, 10_000, 30, 40)], &fetches);
        assert_eq!(verdict.bound, Some(Bound::Politeness));
        assert_eq!(verdict.evidence.critical_host.as_deref(), Some(B));
        assert!(!verdict.sentence.contains("Summed over"), "both say politeness: {}", verdict.sentence);

        let fetches = [
            fetch(A, 0, &[(Stage::Politeness, 9_000)]),
            fetch(B, 0, &[(Stage::Politeness, 4_000), (Stage::Body, 6_000)]),
        ];
        let verdict = self::verdict(vec![session(0, 0, 10_000, 30, 40)], &fetches);
        assert_eq!(verdict.bound, Some(Bound::Network));
        insta::assert_snapshot!(verdict.sentence, @"https://b.example ended last: 6.0 s of the 10.0 s that its 1 request took (60 %) went into the network (most of it, 6.0 s, receiving), 4.0 s into all else. A faster server or line would shorten it, or a higher --host-concurrency on a site of your own; a higher --rate, more --concurrency or cores would not. Summed over all 2 hosts, politeness took the most instead: 13.0 s of 19.0 s (68 %).");
    }

    #[test]
    fn each_session_has_a_last_host_and_their_lines_add_up() {
        let second =
            FetchRecord { session: frontier::SessionId(2), ..fetch(B, 100_000, &[(Stage::Politeness, 700)]) };
        let fetches =
            [fetch(A, 0, &[(Stage::Politeness, 2_000)]), fetch(B, 0, &[(Stage::Body, 100)]), second];
        let sessions = vec![session(0, 0, 2_000, 30, 40), session(1, 100_000, 100_700, 30, 40)];
        let verdict = verdict(sessions, &fetches);
        assert_eq!(verdict.evidence.critical_line_s.politeness_us, 2_700_000);
        assert_eq!(verdict.evidence.critical_line_s.network_us, 0);
        assert_eq!(verdict.evidence.critical_host.as_deref(), Some(A));
        insta::assert_snapshot!(verdict.sentence, @"Of the hosts that ended last in each of 2 sessions, https://a.example took longest: 2.7 s of the 2.7 s that their 2 requests took (100 %) went into waiting as politeness asks, 0 into all else. A higher --rate would shorten it, unless the site itself asks for the delay (Crawl-delay, Retry-After); more --concurrency, cores or machines would not.");
    }

    #[test]
    fn a_crawl_without_requests_or_without_time_has_no_bound_and_says_why() {
        let none = verdict(Vec::new(), &[]);
        assert_eq!(none.bound, None);
        assert_eq!(none.sentence, "none of 2 hosts was asked for anything, so there is nothing to judge.");
        let no_time = verdict(vec![session(0, 0, 0, 0, 0)], &[fetch(A, 0, &[])]);
        assert_eq!(no_time.bound, None);
        assert_eq!(no_time.sentence, "the requests took no measurable time, so there is nothing to judge.");
        assert_eq!(no_time.evidence.machine_utilisation, 0.0);
        let no_hosts = tally(Vec::new(), []).finish(serde_json::Value::Null, false).verdict;
        assert_eq!(no_hosts.sentence, "there is no host to crawl, so there is nothing to judge.");
    }

    #[test]
    fn an_interrupted_or_running_crawl_is_judged_so_far() {
        let mut record = host(A);
        record.account.pending = 3;
        record.account.found = 3;
        let judged = |is_running| {
            let mut tally = tally(vec![session(0, 0, 1_000, 30, 40)], [record.clone()]);
            tally.add_fetch(&fetch(A, 0, &[(Stage::Body, 900)]));
            tally.finish(serde_json::Value::Null, is_running).verdict.sentence
        };
        assert!(
            judged(false)
                .starts_with("Interrupted with 3 tasks left; up to then: https://a.example ended last")
        );
        assert!(
            judged(true).starts_with("Still running with 3 tasks left; so far: https://a.example ended last")
        );
    }
}
