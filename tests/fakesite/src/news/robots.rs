//! The robots.txt files: rules that never touch a sitemap, and what real files have around them.

use super::plan::HostPlan;
use crate::log::Scheme;

/// The text for a host.
pub(super) fn text(host: &HostPlan, scheme: Scheme) -> String {
    let mut lines = vec![format!("# robots.txt for {scheme}://{}/", host.name), "User-agent: *".to_owned()];
    if let Some(delay) = host.crawl_delay {
        lines.push(format!("Crawl-delay: {delay}"));
    }
    lines.extend(
        ["Disallow: /search", "Disallow: /account/", "Disallow: /*?print=", "Allow: /search/about", ""]
            .map(str::to_owned),
    );
    lines.extend(OTHER_AGENTS.lines().map(str::to_owned));
    if host.names_roots {
        // Real files write the key both ways.
        let key = if host.name.len().is_multiple_of(2) { "Sitemap" } else { "sitemap" };
        lines.extend(host.roots.iter().map(|root| format!("{key}: {scheme}://{}{}", host.name, root.path())));
    }
    // Some were written on another system.
    let ending = if host.name.ends_with("times.com") { "\r\n" } else { "\n" };
    lines.join(ending) + ending
}

/// Groups that are none of ours, stricter than any of ours.
const OTHER_AGENTS: &str = "\
User-agent: GPTBot
User-agent: CCBot
Disallow: /

User-agent: msnbot
Crawl-delay: 120
Disallow: /video/
";
