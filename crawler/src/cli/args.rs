//! The flags as typed.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::fetch::ConnectTo;

/// Reads every sitemap that sites publish, obeys their robots.txt and pace, and tells where the time went.
#[derive(Debug, Parser)]
#[command(
    name = "crawl",
    version,
    about,
    after_help = "Exit codes: 0 ran to its end, 1 failure of ours, 2 usage, 4 incomplete with --strict, 130 \
                  interrupted (go on with `crawl resume`).",
    subcommand_negates_reqs = true
)]
pub struct Cli {
    /// What else to do than to start a crawl.
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub common: CommonArgs,
    #[command(flatten)]
    pub seeds: SeedArgs,
    #[command(flatten)]
    pub crawl: CrawlArgs,
    #[cfg(feature = "shared")]
    #[command(flatten)]
    pub store: StoreArgs,
}

/// What `crawl` can do besides starting a crawl.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Go on with the crawl in --data-dir.
    Resume(Box<ResumeArgs>),
    /// Join the crawl in --store as one more worker.
    #[cfg(feature = "shared")]
    Work(Box<WorkArgs>),
    /// Show hosts, tasks by state, entries and what remains.
    Status(StatusArgs),
    /// Write the URLs.
    Export(ExportArgs),
    /// Show where the time went, errors and the verdict.
    Report(ReportArgs),
    /// Recover a damaged queue from the segments.
    Rebuild,
    /// Read one document, offline, and print what it holds.
    Parse(ParseArgs),
    /// Ask a robots.txt file about a URL.
    Robots(RobotsArgs),
    /// Print a completion script.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page.
    Man,
}

/// Flags of every command.
#[derive(Args, Debug)]
#[command(next_help_heading = "Everywhere")]
pub struct CommonArgs {
    /// State and results.
    #[arg(short, long, global = true, value_name = "DIR", default_value = "crawl-data")]
    pub data_dir: PathBuf,
    /// More log lines (-vv for still more); RUST_LOG overrides.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Only errors.
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// No progress on stderr.
    #[arg(short, long, global = true)]
    pub no_progress: bool,
    /// The form of the log lines on stderr.
    #[arg(long, global = true, value_name = "FORMAT", default_value = "text")]
    pub log_format: LogFormat,
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Where a crawl starts.
#[derive(Args, Debug)]
#[command(next_help_heading = "Seeds")]
pub struct SeedArgs {
    /// A file of sites, one a line ('-' is stdin); with a path a line is a sitemap of its site.
    #[arg(long, value_name = "FILE")]
    pub seeds: Vec<PathBuf>,
    /// One site, or with a path a sitemap of it; a bare name means https.
    #[arg(long, value_name = "URL")]
    pub seed: Vec<String>,
}

/// A crawl that many machines share.
#[cfg(feature = "shared")]
#[derive(Args, Debug)]
#[command(next_help_heading = "Many machines")]
pub struct StoreArgs {
    /// The database that coordinates them: postgres://user@host/database.
    #[arg(long, value_name = "URL", env = "CRAWL_STORE", hide_env_values = true)]
    pub store: Option<String>,
    /// Where the entries are kept: s3://bucket/prefix, or file:///folder on a mount that all of them have.
    #[arg(long, value_name = "URL", env = "CRAWL_OUTPUT", hide_env_values = true)]
    pub output: Option<String>,
    /// Which crawl of the database [default: named after the seeds file, or the only one].
    #[arg(long = "crawl", value_name = "NAME")]
    pub name: Option<String>,
}

/// Which crawl is to be read, where it is not that of the data dir.
#[derive(Args, Debug)]
pub struct SourceArgs {
    /// A shared one.
    #[cfg(feature = "shared")]
    #[command(flatten)]
    pub store: StoreArgs,
}

/// Flags of `work`. Scope, pace and identity are those the crawl was started with.
#[cfg(feature = "shared")]
#[derive(Args, Debug)]
pub struct WorkArgs {
    #[command(flatten)]
    pub store: StoreArgs,
    /// Ask again for what was given up, on all machines.
    #[arg(long)]
    pub retry_failed: bool,
    /// Requests in flight in all.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub concurrency: u16,
    /// Seconds for connect, TLS, first byte and every stall; the whole fetch gets 5 times that.
    #[arg(short, long, value_name = "S", default_value_t = 30.0, value_parser = seconds, allow_negative_numbers = true)]
    pub timeout: f64,
    #[command(flatten)]
    pub connection: ConnectionArgs,
    /// Exit with 4 if any site is incomplete.
    #[arg(long)]
    pub strict: bool,
}

/// Flags of a running crawl.
#[derive(Args, Debug)]
pub struct CrawlArgs {
    #[command(flatten)]
    pub pace: PaceArgs,
    #[command(flatten)]
    pub scope: ScopeArgs,
    #[command(flatten)]
    pub connection: ConnectionArgs,
    /// Exit with 4 if any site is incomplete.
    #[arg(long)]
    pub strict: bool,
}

/// How fast.
#[derive(Args, Debug)]
#[command(next_help_heading = "Pace")]
pub struct PaceArgs {
    /// Requests per second and host; 0 is no limit.
    #[arg(long, value_name = "N", default_value_t = 1.0, value_parser = rate, allow_negative_numbers = true)]
    pub rate: f64,
    /// Requests in flight in all.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub concurrency: u16,
    /// Requests in flight per host (raise it for sites of your own).
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    pub host_concurrency: u16,
    /// Seconds for connect, TLS, first byte and every stall; the whole fetch gets 5 times that.
    #[arg(short, long, value_name = "S", default_value_t = 30.0, value_parser = seconds, allow_negative_numbers = true)]
    pub timeout: f64,
}

/// How far; remembered by the data dir.
#[derive(Args, Debug, Default)]
#[command(next_help_heading = "Scope (remembered)")]
pub struct ScopeArgs {
    /// Index levels below a root sitemap (root = 0).
    #[arg(long, value_name = "N")]
    pub max_depth: Option<u16>,
    /// Sitemaps accepted per host.
    #[arg(long, value_name = "N")]
    pub max_sitemaps: Option<u64>,
    /// Children taken per index.
    #[arg(long, value_name = "N")]
    pub max_children: Option<u64>,
    /// Fetch only nested sitemaps that match.
    #[arg(long, value_name = "RE")]
    pub include: Vec<String>,
    /// Do not fetch nested sitemaps that match.
    #[arg(long, value_name = "RE")]
    pub exclude: Vec<String>,
    /// Try the well-known sitemap paths; auto: when robots.txt names none.
    #[arg(long, value_name = "WHEN")]
    pub probe: Option<ProbeArg>,
}

/// When to guess.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ProbeArg {
    /// When robots.txt names no sitemap.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// By what way.
#[derive(Args, Debug)]
#[command(next_help_heading = "Connection")]
pub struct ConnectionArgs {
    /// The name robots.txt knows us by is what stands before the '/' [default: sitemap-crawler/VERSION (+contact)].
    #[arg(short, long, value_name = "NAME")]
    pub user_agent: Option<String>,
    /// A page or address where site owners reach you; goes into the User-Agent.
    #[arg(long, value_name = "URL|MAIL")]
    pub contact: Option<String>,
    /// An extra header, sent to the seeds' own hosts only.
    #[arg(short = 'H', long = "header", value_name = "N: V")]
    pub headers: Vec<String>,
    /// Go through this proxy (HTTP_PROXY, HTTPS_PROXY and NO_PROXY hold otherwise).
    #[arg(long, value_name = "URL")]
    pub proxy: Option<String>,
    /// Trust the certificates in this PEM file too.
    #[arg(long, value_name = "FILE")]
    pub ca_cert: Option<PathBuf>,
    /// Send requests for H1:P1 to H2:P2 instead; parts may be empty.
    #[arg(long, value_name = "H1:P1:H2:P2")]
    pub connect_to: Vec<ConnectTo>,
    /// Ask this DNS server.
    #[arg(long, value_name = "ADDR:PORT")]
    pub resolver: Option<SocketAddr>,
    /// Let private, loopback and link-local addresses be contacted.
    #[arg(long)]
    pub allow_private: bool,
}

/// Flags of `resume`.
#[derive(Args, Debug)]
pub struct ResumeArgs {
    /// Ask again for what was given up.
    #[arg(long)]
    pub retry_failed: bool,
    #[command(flatten)]
    pub crawl: CrawlArgs,
}

/// Flags of `status`.
#[derive(Args, Debug)]
pub struct StatusArgs {
    #[command(flatten)]
    pub source: SourceArgs,
    /// The form.
    #[arg(long, default_value = "text")]
    pub format: StatusFormat,
}

/// The forms of `status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StatusFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Flags of `export`.
#[derive(Args, Debug)]
pub struct ExportArgs {
    /// The form.
    #[arg(short, long, default_value = "txt")]
    pub format: ExportFormat,
    /// Write there instead of stdout.
    #[arg(short = 'o', value_name = "FILE")]
    pub file: Option<PathBuf>,
    #[command(flatten)]
    pub source: SourceArgs,
    /// Each URL once: the first entry of it.
    #[arg(long)]
    pub unique: bool,
    /// Only entries of this host's sitemaps: an origin or a name.
    #[arg(long, value_name = "H")]
    pub host: Option<String>,
    /// Only entries whose lastmod is not older; those without one are kept and counted.
    #[arg(long, value_name = "DATE")]
    pub since: Option<String>,
}

/// The forms of `export`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// One URL a line.
    Txt,
    /// A table.
    Csv,
    /// One JSON object a line.
    Jsonl,
    /// Columns, compressed.
    Parquet,
}

/// Flags of `report`.
#[derive(Args, Debug)]
pub struct ReportArgs {
    /// The form.
    #[arg(short, long, default_value = "text")]
    pub format: ReportFormat,
    /// Write there instead of stdout.
    #[arg(short = 'o', value_name = "FILE")]
    pub file: Option<PathBuf>,
    #[command(flatten)]
    pub source: SourceArgs,
}

/// The forms of `report`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
    /// For people with a browser: a page in one file.
    Html,
}

/// Flags of `parse`.
#[derive(Args, Debug)]
pub struct ParseArgs {
    /// The document ('-' is stdin), compressed or not.
    pub file: PathBuf,
    /// The document's own URL, which relative ones are resolved against.
    #[arg(long, value_name = "BASE")]
    pub url: Option<String>,
    /// The form.
    #[arg(short, long, default_value = "jsonl")]
    pub format: ParseFormat,
}

/// The forms of `parse`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ParseFormat {
    /// One JSON object a line.
    Jsonl,
    /// One URL a line.
    Txt,
}

/// Flags of `robots`.
#[derive(Args, Debug)]
pub struct RobotsArgs {
    /// The robots.txt file ('-' is stdin).
    pub file: PathBuf,
    /// The product token or whole User-Agent that asks.
    #[arg(long, value_name = "A")]
    pub agent: String,
    /// The URL in question.
    #[arg(long, value_name = "U", required_unless_present = "info")]
    pub url: Option<String>,
    /// Print the Sitemap lines and the Crawl-delay instead.
    #[arg(long)]
    pub info: bool,
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate.is_finite() && rate >= 0.0 => Ok(rate),
        _ => Err("expected requests per second, 0 for no limit".to_owned()),
    }
}

fn seconds(text: &str) -> Result<f64, String> {
    const SECONDS_MAX: f64 = 3600.0;
    match text.parse::<f64>() {
        Ok(seconds) if seconds > 0.0 && seconds <= SECONDS_MAX => Ok(seconds),
        _ => Err(format!("expected seconds, more than 0 and at most {SECONDS_MAX}")),
    }
}
