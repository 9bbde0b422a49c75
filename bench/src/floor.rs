//! The floor program: the cost of fetching, inflating and reading alone. It keeps, schedules and measures nothing.
//!
//! It fetches the same URLs as a crawl over as many connections, inflates each body in one piece, and reads it with the
//! slice reader of quick-xml, which looks for `loc` and `lastmod` only.

use std::collections::HashMap;
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use anyhow::Context;
use flate2::read::MultiGzDecoder;
use quick_xml::Reader;
use quick_xml::events::Event;

/// What to fetch.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// File of URLs, one a line.
    pub urls: PathBuf,
    /// Port on 127.0.0.1 that every connection goes to.
    #[arg(long)]
    pub port: u16,
    /// Connections per host.
    #[arg(long, default_value_t = 10)]
    pub host_concurrency: usize,
}

/// Fetches all URLs and prints how many documents, locs and lastmods they hold.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let found = runtime.block_on(fetch_all(args))?;
    println!("{} documents, {} locs, {} lastmods", found.documents, found.locs, found.lastmods);
    Ok(())
}

#[derive(Clone, Copy, Default)]
struct Found {
    documents: u64,
    locs: u64,
    lastmods: u64,
}

async fn fetch_all(args: &Args) -> anyhow::Result<Found> {
    let urls =
        std::fs::read_to_string(&args.urls).with_context(|| format!("failed to read {:?}", args.urls))?;
    let mut by_host: HashMap<String, Vec<String>> = HashMap::new();
    for url in urls.lines() {
        let host = url.split('/').nth(2).unwrap_or_default().to_owned();
        by_host.entry(host).or_default().push(url.to_owned());
    }
    let mut connections = tokio::task::JoinSet::new();
    for (host, urls) in by_host {
        let client = client(&host, args)?;
        let queue = Arc::new(Mutex::new(urls));
        for _ in 0..args.host_concurrency {
            connections.spawn(fetch_from_queue(client.clone(), queue.clone()));
        }
    }
    let mut sum = Found::default();
    while let Some(found) = connections.join_next().await {
        let found = found??;
        sum.documents += found.documents;
        sum.locs += found.locs;
        sum.lastmods += found.lastmods;
    }
    Ok(sum)
}

fn client(host: &str, args: &Args) -> anyhow::Result<reqwest::Client> {
    let tls = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    Ok(reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .resolve(host, SocketAddr::from((Ipv4Addr::LOCALHOST, args.port)))
        .build()?)
}

async fn fetch_from_queue(client: reqwest::Client, queue: Arc<Mutex<Vec<String>>>) -> anyhow::Result<Found> {
    let mut found = Found::default();
    loop {
        let next = queue.lock().ok().and_then(|mut urls| urls.pop());
        let Some(url) = next else { return Ok(found) };
        let body = client.get(url).send().await?.bytes().await?;
        read(&body, &mut found)?;
    }
}

fn read(body: &[u8], found: &mut Found) -> anyhow::Result<()> {
    found.documents += 1;
    let mut inflated = Vec::new();
    if body.starts_with(&[0x1f, 0x8b]) {
        MultiGzDecoder::new(body).read_to_end(&mut inflated)?;
    } else {
        inflated.extend_from_slice(body);
    }
    let Ok(text) = std::str::from_utf8(&inflated) else { return Ok(()) };
    let mut reader = Reader::from_str(text);
    loop {
        match reader.read_event() {
            Ok(Event::Start(tag)) => match tag.local_name().as_ref() {
                "loc" => found.locs += 1,
                "lastmod" => found.lastmods += 1,
                _ => {}
            },
            Ok(Event::Text(text)) => drop(std::hint::black_box(text)),
            Ok(Event::Eof) | Err(_) => return Ok(()),
            Ok(_) => {}
        }
    }
}
