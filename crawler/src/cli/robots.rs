//! `crawl robots`: checks a URL against a robots.txt file.

use std::io::{Read, Write};

use anyhow::Context;
use frontier::RobotsRules;
use frontier::robots::product_token;
use serde_json::json;
use url::Url;

use super::args::RobotsArgs;
use super::output;

/// The site of a URL that is only a path.
const ANY_SITE: &str = "https://site.invalid/";

/// Prints `allowed` or `disallowed`, or with `--info` the sitemaps and the crawl delay.
pub fn run(args: &RobotsArgs) -> anyhow::Result<u8> {
    let mut bytes = Vec::new();
    let limit = RobotsRules::BYTES_MAX as u64 + 1;
    output::read_input(&args.file)?
        .take(limit)
        .read_to_end(&mut bytes)
        .with_context(|| format!("failed to read {}", args.file.display()))?;
    let robots = RobotsRules::parse(&bytes, product_token(&args.agent));
    let mut answer = if args.info {
        json!({ "sitemaps": robots.sitemaps(), "crawl_delay": robots.crawl_delay().map(|delay| delay.as_secs_f64()) }).to_string()
    } else {
        let url = args.url.as_deref().unwrap_or_default();
        let base = Url::parse(ANY_SITE)?;
        let url = base.join(url).with_context(|| format!("{url:?} is not a URL"))?;
        if robots.allows(&url) { "allowed".to_owned() } else { "disallowed".to_owned() }
    };
    answer.push('\n');
    output::write_result(None, |out| out.write_all(answer.as_bytes()))
}
