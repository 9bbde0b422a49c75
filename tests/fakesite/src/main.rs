//! Serves a fake web on loopback from a separate process, for the demo, kill tests and benchmarks.

use std::error::Error;
use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use fakesite::{Latency, LoggedRequest, Scheme, ServeOptions, Server, Web, hostile, news, plain};
use tokio::signal::unix::{SignalKind, signal};

/// Serves made-up hosts on one port of 127.0.0.1, over http and https, HTTP/1.1 and HTTP/2. Send every connection there
/// with `--connect-to ::127.0.0.1:PORT`, and trust the certificate of `--ca-out`.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    web: WebArgs,
}

#[derive(Subcommand)]
enum WebArgs {
    /// Nineteen news hosts with about 340 sitemaps and 650,000 entries.
    News {
        /// Also serve the two hosts that by default never answer.
        #[arg(long)]
        no_hanging: bool,
        /// Use http instead of https in the URLs of sitemaps.
        #[arg(long)]
        http: bool,
        #[command(flatten)]
        serving: ServingArgs,
    },
    /// Many small hosts that are all alike.
    Plain {
        /// Number of hosts.
        #[arg(long, default_value_t = 100)]
        hosts: u32,
        /// Sitemaps per host, besides the index.
        #[arg(long, default_value_t = 5)]
        sitemaps: u32,
        /// Entries per sitemap.
        #[arg(long, default_value_t = 20)]
        entries: u32,
        /// Write the names of the hosts to this file, one a line.
        #[arg(long)]
        seeds_out: Option<PathBuf>,
        #[command(flatten)]
        serving: ServingArgs,
    },
    /// Hosts that misbehave in different ways, and well-behaved hosts among them.
    Hostile {
        /// Number of hosts of each kind.
        #[arg(long, default_value_t = 7)]
        copies: u32,
        /// Number of hosts of each kind that is expensive to read.
        #[arg(long, default_value_t = 2)]
        heavy_copies: u32,
        /// Number of well-behaved hosts.
        #[arg(long, default_value_t = 10)]
        well_behaved: u32,
        /// Sitemaps per well-behaved host.
        #[arg(long, default_value_t = 12)]
        sitemaps: u32,
        /// Write the seeds to this file, one a line.
        #[arg(long)]
        seeds_out: Option<PathBuf>,
        #[command(flatten)]
        serving: ServingArgs,
    },
}

#[derive(Args)]
struct ServingArgs {
    /// Port to listen on; 0 picks a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Latency of every host in milliseconds, such as 50 or 30-80.
    #[arg(long, default_value = "0")]
    latency_ms: Latency,
    /// Offer HTTP/1.1 only.
    #[arg(long)]
    no_h2: bool,
    /// Write the certificate that clients must trust to this file, as PEM.
    #[arg(long)]
    ca_out: Option<PathBuf>,
    /// Write the port to this file.
    #[arg(long)]
    port_out: Option<PathBuf>,
    /// When stopping, write all requests to this file, one JSON object a line.
    #[arg(long)]
    log: Option<PathBuf>,
    /// Stop after that many seconds.
    #[arg(long, default_value_t = 3600)]
    seconds: u64,
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // If stderr is closed, the message is lost.
            let _ = writeln!(io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<(), Box<dyn Error>> {
    match cli.web {
        WebArgs::News { no_hanging, http, serving } => {
            let web = news::web(news::Options {
                hanging: !no_hanging,
                scheme: if http { Scheme::Http } else { Scheme::Https },
            });
            // Built now, so that the server uses little CPU time while a crawl is measured.
            web.build_pages();
            serve(web, &serving)
        }
        WebArgs::Plain { hosts, sitemaps, entries, seeds_out, serving } => {
            let options = plain::Options { hosts, sitemaps, entries };
            if let Some(path) = seeds_out {
                write_file(&path, &plain::seeds(options))?;
            }
            serve(plain::web(options), &serving)
        }
        WebArgs::Hostile { copies, heavy_copies, well_behaved, sitemaps, seeds_out, serving } => {
            let options = hostile::Options { copies, heavy_copies, well_behaved, sitemaps };
            if let Some(path) = seeds_out {
                write_file(&path, &hostile::seeds(options))?;
            }
            serve(hostile::web(options), &serving)
        }
    }
}

fn serve(web: Web, args: &ServingArgs) -> Result<(), Box<dyn Error>> {
    let options = ServeOptions { port: args.port, latency: args.latency_ms, h2: !args.no_h2 };
    let server = web.serve(options)?;
    if let Some(path) = &args.ca_out {
        write_file(path, server.ca_pem())?;
    }
    if let Some(path) = &args.port_out {
        write_file(path, &format!("{}\n", server.port()))?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(announce_and_wait(&server, Duration::from_secs(args.seconds)))?;
    match &args.log {
        Some(path) => Ok(write_log(path, &server.log()).map_err(|error| write_error(path, &error))?),
        None => Ok(()),
    }
}

/// Prints the address and waits for SIGINT, SIGTERM, or the end of `time`.
async fn announce_and_wait(server: &Server, time: Duration) -> io::Result<()> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    writeln!(io::stdout(), "fakesite ready on {}", server.address())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        // `--seconds`: a forgotten server stops after that time.
        () = tokio::time::sleep(time) => {}
    }
    Ok(())
}

/// Writes a file atomically, so that a process that waits for it never sees a part of it.
fn write_file(path: &Path, text: &str) -> io::Result<()> {
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    fs::write(&partial, text)
        .and_then(|()| fs::rename(&partial, path))
        .map_err(|error| write_error(path, &error))
}

fn write_log(path: &Path, requests: &[LoggedRequest]) -> io::Result<()> {
    let mut file = BufWriter::new(fs::File::create(path)?);
    for request in requests {
        serde_json::to_writer(&mut file, request)?;
        file.write_all(b"\n")?;
    }
    file.flush()
}

fn write_error(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("could not write {}: {error}", path.display()))
}
