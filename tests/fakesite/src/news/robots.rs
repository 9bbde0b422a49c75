//! The robots.txt files: rules that do not match any sitemap, and other lines as in real files.

use super::plan::HostPlan;
use crate::request::Scheme;

/// The robots.txt of a host.
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
        // Real files use both spellings of the key.
        let key = if host.name.len().is_multiple_of(2) { "Sitemap" } else { "sitemap" };
        lines.extend(host.roots.iter().map(|root| format!("{key}: {scheme}://{}{}", host.name, root.path())));
    }
    // Some real files have CRLF line endings.
    let ending = if host.name.ends_with("times.com") { "\r\n" } else { "\n" };
    lines.join(ending) + ending
}

/// Groups for other user agents, stricter than the group for all.
const OTHER_AGENTS: &str = "\
User-agent: GPTBot
User-agent: CCBot
Disallow: /

User-agent: msnbot
Crawl-delay: 120
Disallow: /video/
";
