//! Checks the flags and turns them into [`Settings`], a scope and the first tasks.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use frontier::scope::{Probe, Scope, patterns};
use frontier::seed::Seed;
use frontier::{NewTask, TaskId};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use super::args::{ConnectionArgs, CrawlArgs, PaceArgs, ProbeArg, ScopeArgs, SeedArgs};
use super::output;
use super::usage_error::UsageError;
use crate::settings::{Identity, Settings};

/// The settings that the flags ask for.
pub fn settings(args: &CrawlArgs) -> Result<Settings, UsageError> {
    let PaceArgs { rate, concurrency, host_concurrency, timeout } = args.pace;
    let connection = &args.connection;
    Ok(Settings {
        rate,
        concurrency: concurrency.into(),
        host_concurrency: host_concurrency.into(),
        connections_max: concurrency.into(),
        timeout: Duration::from_secs_f64(timeout),
        identity: identity(connection)?,
        headers: headers(&connection.headers)?,
        proxy: connection.proxy.as_deref().map(proxy).transpose()?,
        ca_cert: connection.ca_cert.clone(),
        connect_to: connection.connect_to.clone(),
        resolver: connection.resolver,
        allow_private: connection.allow_private,
        strict: args.strict,
    })
}

fn identity(args: &ConnectionArgs) -> Result<Identity, UsageError> {
    let contact = args.contact.as_ref().map(|contact| format!(" (+{contact})")).unwrap_or_default();
    let name = args.user_agent.as_deref().unwrap_or(concat!("sitemap-crawler/", env!("CARGO_PKG_VERSION")));
    let user_agent = format!("{name}{contact}");
    Identity::of(&user_agent).ok_or(UsageError::UserAgent(user_agent))
}

fn headers(lines: &[String]) -> Result<HeaderMap, UsageError> {
    let mut headers = HeaderMap::new();
    for (index, line) in lines.iter().enumerate() {
        let wrong = || UsageError::Header(index + 1);
        let (name, value) = line.split_once(':').ok_or_else(wrong)?;
        let name: HeaderName = name.trim().parse().map_err(|_| wrong())?;
        let mut value: HeaderValue = value.trim().parse().map_err(|_| wrong())?;
        value.set_sensitive(true);
        headers.append(name, value);
    }
    Ok(headers)
}

fn proxy(url: &str) -> Result<reqwest::Proxy, UsageError> {
    reqwest::Proxy::all(url).map_err(|_| UsageError::Proxy)
}

/// `base`, a default or remembered scope, changed by the flags that were given.
pub fn scope(args: &ScopeArgs, base: Scope) -> Result<Scope, UsageError> {
    let typed = |texts: &[String], base| if texts.is_empty() { Ok(base) } else { patterns(texts) };
    let probe = args.probe.map(|probe| match probe {
        ProbeArg::Auto => Probe::Auto,
        ProbeArg::Always => Probe::Always,
        ProbeArg::Never => Probe::Never,
    });
    Ok(Scope {
        max_depth: args.max_depth.unwrap_or(base.max_depth),
        max_sitemaps: args.max_sitemaps.unwrap_or(base.max_sitemaps),
        max_children: args.max_children.unwrap_or(base.max_children),
        include: typed(&args.include, base.include)?,
        exclude: typed(&args.exclude, base.exclude)?,
        probe: probe.unwrap_or(base.probe),
    })
}

/// The first task of each seed, without repeats.
pub fn seeds(args: &SeedArgs) -> Result<Vec<NewTask>, UsageError> {
    let mut found = BTreeMap::new();
    for (index, url) in args.seed.iter().enumerate() {
        add_seed(url, &format!("--seed {}", index + 1), &mut found)?;
    }
    for path in &args.seeds {
        let name = display_name(path);
        let text = read_seeds(path).map_err(|reason| UsageError::SeedFile { path: name.clone(), reason })?;
        for (index, line) in text.lines().enumerate() {
            add_seed(line, &format!("{name}:{}", index + 1), &mut found)?;
        }
    }
    if found.is_empty() { Err(UsageError::NoSeeds) } else { Ok(found.into_values().collect()) }
}

fn add_seed(line: &str, place: &str, found: &mut BTreeMap<TaskId, NewTask>) -> Result<(), UsageError> {
    let wrong = |error: frontier::seed::SeedError| UsageError::Seed {
        place: place.to_owned(),
        reason: error.to_string(),
    };
    if let Some(seed) = Seed::parse(line).map_err(wrong)? {
        if seed.had_credentials {
            output::note(&format!(
                "note: {place}: name and password of the seed are ignored; they are never sent"
            ));
        }
        let task = seed.task();
        found.insert(task.task.id, task);
    }
    Ok(())
}

fn display_name(path: &Path) -> String {
    if path.as_os_str() == "-" { "stdin".to_owned() } else { path.display().to_string() }
}

fn read_seeds(path: &Path) -> std::io::Result<String> {
    if path.as_os_str() != "-" {
        return std::fs::read_to_string(path);
    }
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    Ok(text)
}
