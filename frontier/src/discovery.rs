//! Finds further tasks: the sitemaps that a robots.txt or an index names, and guessed paths if robots.txt names none.

use std::collections::{BTreeMap, HashSet};

use url::Url;

use crate::answer::Answer;
use crate::host::Host;
use crate::normal_url::{normal_url, normalise};
use crate::outcome::SkipReason;
use crate::robots::RobotsRules;
use crate::scope::{Probe, Scope};
use crate::task::{NewTask, Task, TaskKind};

/// Paths where sites put sitemaps that robots.txt does not name, in the order in which they are tried.
///
/// Each path costs one request, at the host's pace, on every host that names no sitemap. The list therefore has only
/// the defaults of widely used software (Yoast, Astro, WordPress) and the customary names.
pub const WELL_KNOWN_PATHS: [&str; 8] = [
    "/sitemap.xml",
    "/sitemap_index.xml",
    "/sitemap-index.xml",
    "/wp-sitemap.xml",
    "/sitemap.xml.gz",
    "/sitemap.txt",
    "/sitemaps.xml",
    "/sitemap/sitemap.xml",
];

/// The tasks that a document leads to.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct FoundLinks {
    /// Tasks to add, in the document's order.
    pub found: Vec<NewTask>,
    /// Number of URLs that the document names and that are not accepted, by reason.
    pub refused: BTreeMap<SkipReason, u64>,
    /// Number of URLs that the document names again.
    pub repeats: u64,
    /// The children named so far, each by the hash in its id.
    named: HashSet<u128>,
}

impl FoundLinks {
    /// Adds a child of the index at `task` if it is new and `scope` admits it. Counts it as repeated or refused
    /// otherwise.
    pub fn add_child(&mut self, task: &Task, child: &str, scope: &Scope) {
        match child_task(task, child, scope) {
            Ok(child) if self.named.insert(child.task.id.url) => self.found.push(child),
            Ok(_) => self.repeats += 1,
            Err(reason) => self.refuse(reason, 1),
        }
    }

    /// Adds an entry of the document at `task` that looks like a sitemap, as a guess. Nothing is counted if `scope` does not
    /// admit it.
    pub fn add_listed(&mut self, task: &Task, entry: &str, scope: &Scope) {
        if let Ok(mut guess) = child_task(task, entry, scope) {
            guess.task.kind = TaskKind::LastProbe;
            self.found.push(guess);
        }
    }

    /// Counts all found tasks as refused for `reason`.
    pub fn refuse_all(mut self, reason: SkipReason) -> Self {
        self.refuse(reason, self.found.len() as u64);
        self.found.clear();
        self
    }

    fn refuse(&mut self, reason: SkipReason, count: u64) {
        if count > 0 {
            *self.refused.entry(reason).or_default() += count;
        }
    }
}

/// The tasks that `robots`, found at `robots_url`, leads to: the sitemaps that it names, on any host, without
/// repeats. If it names none, or if `probe` asks for it, the first of the [`WELL_KNOWN_PATHS`] is added.
///
/// `host` is the host that the rules apply to. Redirects may have led to a file on another host (RFC 9309 section
/// 2.3.1.2). Relative URLs are resolved against `robots_url`.
pub fn from_robots(
    host: &Host,
    task: &Task,
    robots_url: &str,
    robots: &RobotsRules,
    probe: Probe,
) -> FoundLinks {
    let (named, bad) = named_sitemaps(robots, robots_url);
    let mut links = FoundLinks::default();
    links.refuse(SkipReason::BadUrl, bad);
    for url in &named {
        if let Some(mut named) = new_task(task, url, TaskKind::Sitemap) {
            named.task.named_by = vec![task.id.host];
            links.found.push(named);
        }
    }
    let probes = match probe {
        Probe::Auto => named.is_empty(),
        Probe::Always => true,
        Probe::Never => false,
    };
    if probes {
        links.found.extend(guess(host, task, 0, &named));
    }
    links
}

/// The normalised URLs of the sitemaps that `robots`, found at `robots_url`, names, without repeats, and the number
/// of Sitemap lines without a URL that can be fetched.
pub fn named_sitemaps(robots: &RobotsRules, robots_url: &str) -> (Vec<Url>, u64) {
    let base = Url::parse(robots_url).ok();
    let resolved = |line: &String| normalise(Url::options().base_url(base.as_ref()).parse(line).ok()?);
    let mut seen = HashSet::new();
    let (mut named, mut bad) = (Vec::new(), 0);
    for line in robots.sitemaps() {
        match resolved(line) {
            Some(url) if seen.insert(url.clone()) => named.push(url),
            Some(_) => {}
            None => bad += 1,
        }
    }
    (named, bad)
}

/// The guess after the well-known path of `task`, if that path had nothing. Paths in `named` are skipped. `None` at
/// the end of the list.
pub fn next_guess(host: &Host, task: &Task, named: &[Url]) -> Option<NewTask> {
    match task.kind {
        TaskKind::Probe(nth) => guess(host, task, nth.checked_add(1)?, named),
        TaskKind::Robots | TaskKind::RobotsHop | TaskKind::Sitemap | TaskKind::LastProbe => None,
    }
}

fn guess(host: &Host, task: &Task, from: u8, named: &[Url]) -> Option<NewTask> {
    WELL_KNOWN_PATHS.into_iter().zip(0_u8..).skip(usize::from(from)).find_map(|(path, nth)| {
        let url = normal_url(&host.url(path)).filter(|url| !named.contains(url))?;
        new_task(task, &url, TaskKind::Probe(nth))
    })
}

/// The children of the index in `answer` that were not kept, counted as refused.
pub fn not_kept(answer: &Answer) -> FoundLinks {
    let mut links = FoundLinks::default();
    answer.children_refused.iter().for_each(|(&reason, &count)| links.refuse(reason, count));
    links
}

/// The task for a child of the index at `task`, or the reason why it is refused.
fn child_task(task: &Task, child: &str, scope: &Scope) -> Result<NewTask, SkipReason> {
    let url = normal_url(child).ok_or(SkipReason::BadUrl)?;
    if !scope.admits(url.as_str()) {
        return Err(SkipReason::Excluded);
    }
    let depth = task.depth.saturating_add(1);
    if depth > scope.max_depth {
        return Err(SkipReason::DepthLimit);
    }
    let mut child = new_task(task, &url, TaskKind::Sitemap).ok_or(SkipReason::BadUrl)?;
    child.task.depth = depth;
    child.task.named_by.clone_from(&task.named_by);
    Ok(child)
}

/// The task on another host that `task` was redirected to, after `hops` redirects in total.
///
/// A guess remains a guess, so that its absence is not an error. If the path stays the same, guessing continues on
/// the other host, for instance after `http://example.com` has moved to `https://www.example.com`.
pub fn from_redirect(task: &Task, target: &Url, hops: u8) -> Option<NewTask> {
    let kind = match task.kind {
        TaskKind::Probe(_) if target.path() != path_of(task) => TaskKind::LastProbe,
        kind => kind,
    };
    let mut moved = new_task(task, target, kind)?;
    moved.task.depth = task.depth;
    moved.task.hops = hops;
    moved.task.named_by.clone_from(&task.named_by);
    Some(moved)
}

fn path_of(task: &Task) -> String {
    Url::parse(&task.url).map(|url| url.path().to_owned()).unwrap_or_default()
}

/// A root task for `url`, found by `task`. `None` if the URL has no http or https host.
fn new_task(task: &Task, url: &Url, kind: TaskKind) -> Option<NewTask> {
    let (host, found_on) = (Host::of(url)?, task.id.host);
    let task = Task { parent: Some(task.id), ..Task::new(&host, url.as_str(), kind) };
    Some(NewTask { host, task, found_on: Some(found_on) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scope::patterns;
    use crate::task::TaskId;

    fn host() -> Host {
        Host::of(&Url::parse("https://a.example").unwrap()).unwrap()
    }

    fn robots_task() -> Task {
        Task::new(&host(), "https://a.example/robots.txt", TaskKind::Robots)
    }

    fn discovered(text: &str, probe: Probe) -> FoundLinks {
        let robots = RobotsRules::parse(text.as_bytes(), "bot");
        from_robots(&host(), &robots_task(), "https://a.example/robots.txt", &robots, probe)
    }

    fn urls(links: &FoundLinks) -> Vec<&str> {
        links.found.iter().map(|new| new.task.url.as_str()).collect()
    }

    #[test]
    fn sitemap_lines_are_resolved_normalised_and_taken_once() {
        let links = discovered(
            "Sitemap: https://a.example/%7ea.xml\nsitemap: ~a.xml\nSITEMAP: //b.example/B.xml\n\
             Sitemap: HTTPS://A.example:443/~a.xml#x\nSitemap: /c.xml?b=2&a=1\n",
            Probe::Auto,
        );
        let expected =
            ["https://a.example/~a.xml", "https://b.example/B.xml", "https://a.example/c.xml?b=2&a=1"];
        assert_eq!(urls(&links), expected);
        assert!(links.refused.is_empty());
    }

    #[test]
    fn a_sitemap_on_another_host_is_a_task_there_and_remembers_the_host_that_named_it() {
        let links = discovered("Sitemap: http://cdn.example:8080/s.xml", Probe::Auto);
        let NewTask { host: target, task, found_on } = &links.found[0];
        assert_eq!(target.to_string(), "http://cdn.example:8080");
        assert_eq!(task.id, TaskId::of(target.id(), "http://cdn.example:8080/s.xml"));
        assert_eq!((task.parent, *found_on), (Some(robots_task().id), Some(host().id())));
        assert_eq!(task.named_by, [host().id()]);
    }

    #[test]
    fn lines_without_a_usable_url_are_counted() {
        let links =
            discovered("Sitemap: ftp://a.example/s.xml\nSitemap: https://\nSitemap: /s.xml", Probe::Auto);
        assert_eq!(urls(&links), ["https://a.example/s.xml"]);
        assert_eq!(links.refused, [(SkipReason::BadUrl, 2)].into());
    }

    #[test]
    fn a_guess_is_named_by_no_host_and_counts_under_its_own() {
        let links = discovered("", Probe::Auto);
        let guess = &links.found[0];
        assert_eq!((guess.task.kind, guess.task.named_by.len()), (TaskKind::Probe(0), 0));
        assert_eq!(guess.found_on, Some(guess.host.id()));
    }

    fn children(task: &Task, urls: &[&str], scope: &Scope) -> FoundLinks {
        let mut links = FoundLinks::default();
        urls.iter().for_each(|url| links.add_child(task, url, scope));
        links
    }

    #[test]
    fn children_are_one_level_deeper_and_inherit_the_hosts_that_named_them() {
        let mut index = Task::new(&host(), "https://a.example/sitemap.xml", TaskKind::Sitemap);
        index.depth = 2;
        index.named_by = vec![host().id()];
        let scope = Scope::default();
        let links = children(&index, &["https://a.example/1.xml", "http://b.example/2.xml#x"], &scope);
        assert_eq!(urls(&links), ["https://a.example/1.xml", "http://b.example/2.xml"]);
        for child in &links.found {
            assert_eq!((child.task.kind, child.task.depth, child.task.hops), (TaskKind::Sitemap, 3, 0));
            assert_eq!(child.task.named_by, index.named_by);
            assert_eq!((child.task.parent, child.found_on), (Some(index.id), Some(host().id())));
            assert_eq!(child.host.id(), child.task.id.host);
        }
    }

    #[test]
    fn children_that_are_not_taken_on_are_counted_by_reason() {
        let named = [
            "https://a.example/news-1.xml",
            "https://a.example/tags.xml",
            "https://a.example/news-2.xml",
            "ftp://a.example/news.xml",
        ];
        let include = patterns(&["news".to_owned()]).unwrap();
        let scope = Scope { max_depth: 1, include, ..Scope::default() };
        let mut index = Task::new(&host(), "https://a.example/sitemap.xml", TaskKind::Sitemap);
        let links = children(&index, &named, &scope);
        assert_eq!(urls(&links), [named[0], named[2]]);
        assert_eq!(links.refused, [(SkipReason::BadUrl, 1), (SkipReason::Excluded, 1)].into());

        index.depth = 1;
        let too_deep = children(&index, &named, &scope);
        assert_eq!(too_deep.found, []);
        assert_eq!(too_deep.refused.get(&SkipReason::DepthLimit), Some(&2));
    }

    #[test]
    fn guesses_skip_the_named_sitemaps() {
        let links = discovered("Sitemap: /sitemap.xml", Probe::Always);
        assert_eq!(urls(&links), ["https://a.example/sitemap.xml", "https://a.example/sitemap_index.xml"]);
        assert_eq!(links.found[1].task.kind, TaskKind::Probe(1));
    }

    #[test]
    fn every_well_known_path_is_tried_once_in_order() {
        let mut tried = Vec::new();
        let mut next = guess(&host(), &robots_task(), 0, &[]);
        while let Some(new) = next {
            tried.push(new.task.url.trim_start_matches("https://a.example").to_owned());
            next = next_guess(&host(), &new.task, &[]);
        }
        assert_eq!(tried, WELL_KNOWN_PATHS);
    }
}
