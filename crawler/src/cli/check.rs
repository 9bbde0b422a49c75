//! Turns the flags into a [`CrawlBuilder`].

use std::io::Read;
use std::path::Path;
use std::time::Duration;

use crawler::{Crawl, CrawlBuilder, Probe, descriptors_wanted};

use super::args::{ConnectionArgs, CrawlArgs, PaceArgs, ProbeArg, ScopeArgs, SeedArgs};
use super::open_files;
use super::usage_error::UsageError;

/// A crawl as the flags ask for it, without seeds and without a place. Raises the limit on open files as far as the crawl
/// wants.
pub fn crawl(args: &CrawlArgs) -> CrawlBuilder {
    let CrawlArgs { pace, scope, connection, .. } = args;
    let PaceArgs {
        rate,
        concurrency,
        host_concurrency,
        site_concurrency,
        site_rate,
        address_concurrency,
        timeout,
    } = *pace;
    open_files::raise_limit(descriptors_wanted(concurrency.into(), host_concurrency.into()));
    let mut builder = Crawl::builder()
        .rate(rate)
        .concurrency(concurrency.into())
        .host_concurrency(host_concurrency.into())
        .site_rate(site_rate)
        .timeout(Duration::from_secs_f64(timeout));
    if let Some(requests) = site_concurrency {
        builder = builder.site_concurrency(requests.into());
    }
    if let Some(requests) = address_concurrency {
        builder = builder.address_concurrency(requests.into());
    }
    with_connection(with_scope(builder, scope), connection)
}

fn with_scope(mut builder: CrawlBuilder, args: &ScopeArgs) -> CrawlBuilder {
    if let Some(levels) = args.max_depth {
        builder = builder.max_depth(levels);
    }
    if let Some(sitemaps) = args.max_sitemaps {
        builder = builder.max_sitemaps(sitemaps);
    }
    if let Some(children) = args.max_children {
        builder = builder.max_children(children);
    }
    if let Some(hosts) = args.max_hosts_per_site {
        builder = builder.max_hosts_per_site(hosts);
    }
    if let Some(probe) = args.probe {
        builder = builder.probe(match probe {
            ProbeArg::Auto => Probe::Auto,
            ProbeArg::Always => Probe::Always,
            ProbeArg::Never => Probe::Never,
        });
    }
    builder = args.include.iter().fold(builder, CrawlBuilder::include);
    args.exclude.iter().fold(builder, CrawlBuilder::exclude)
}

fn with_connection(mut builder: CrawlBuilder, args: &ConnectionArgs) -> CrawlBuilder {
    if let Some(name) = &args.user_agent {
        builder = builder.user_agent(name);
    }
    if let Some(contact) = &args.contact {
        builder = builder.contact(contact);
    }
    if let Some(path) = &args.ca_cert {
        builder = builder.ca_cert(path);
    }
    if let Some(server) = args.resolver {
        builder = builder.resolver(server);
    }
    builder = match &args.proxy {
        Some(url) => builder.proxy(url),
        None => builder.system_proxy(),
    };
    builder = args.headers.iter().fold(builder, |builder, line| builder.header(line));
    builder = args.connect_to.iter().cloned().fold(builder, CrawlBuilder::connect_to);
    builder.allow_private(args.allow_private)
}

/// Adds the seeds that the flags name.
pub fn with_seeds(builder: CrawlBuilder, args: &SeedArgs) -> Result<CrawlBuilder, UsageError> {
    let mut builder = builder.seeds(&args.seed);
    for path in &args.seeds {
        builder = if is_stdin(path) {
            let text = read_stdin().map_err(UsageError::Stdin)?;
            builder.seeds_text("stdin", &text)
        } else {
            builder.seeds_file(path)
        };
    }
    Ok(builder)
}

fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

fn read_stdin() -> std::io::Result<String> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    Ok(text)
}
