//! The flags, as the user types them.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use crawler::{CONCURRENCY_MAX, ConnectTo, HOST_CONCURRENCY_MAX, TIMEOUT_MAX, defaults};

/// Reads every sitemap of the given sites, obeys robots.txt, limits the request rate, and reports where the time went.
#[derive(Debug, Parser)]
#[command(
    name = "crawl",
    version,
    about,
    after_help = "Exit codes: 0 finished, 1 failure, 2 usage error, 4 a site is incomplete (with --strict), 130 \
                  interrupted (continue with `crawl resume`).",
    subcommand_negates_reqs = true
)]
pub struct Cli {
    /// The command. Without one, a crawl is started.
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

/// The commands of `crawl`. Without one, a crawl is started.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Continue the crawl in --data-dir.
    Resume(Box<ResumeArgs>),
    /// Join the crawl in --store as one more worker.
    #[cfg(feature = "shared")]
    Work(Box<WorkArgs>),
    /// Show hosts, tasks by state, entries and the remaining work.
    Status(StatusArgs),
    /// Write the URLs that were found.
    Export(ExportArgs),
    /// Show where the time went, the errors and the verdict.
    Report(ReportArgs),
    /// Rebuild a damaged queue from the segments.
    Rebuild,
    /// Parse one document offline and print its entries.
    Parse(ParseArgs),
    /// Check a URL against a robots.txt file.
    Robots(RobotsArgs),
    /// Print a shell completion script.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page.
    Man,
}

/// Flags that every command takes.
#[derive(Args, Debug)]
#[command(next_help_heading = "All commands")]
pub struct CommonArgs {
    /// Directory for state and results.
    #[arg(short, long, global = true, value_name = "DIR", default_value = "crawl-data")]
    pub data_dir: PathBuf,
    /// Log more (-vv: even more); RUST_LOG overrides this.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Log only errors.
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Do not show progress on stderr.
    #[arg(short, long, global = true)]
    pub no_progress: bool,
    /// Format of the log lines on stderr.
    #[arg(long, global = true, value_name = "FORMAT", default_value = "text")]
    pub log_format: LogFormat,
}

/// The format of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

/// The sites to crawl.
#[derive(Args, Debug)]
#[command(next_help_heading = "Seeds")]
pub struct SeedArgs {
    /// A file with one site per line ('-' is stdin); a line with a path names a sitemap of its site.
    #[arg(long, value_name = "FILE")]
    pub seeds: Vec<PathBuf>,
    /// A site, or with a path one of its sitemaps; a name without scheme means https.
    #[arg(long, value_name = "URL")]
    pub seed: Vec<String>,
}

/// Flags of a crawl that several machines share.
#[cfg(feature = "shared")]
#[derive(Args, Debug)]
#[command(next_help_heading = "Several machines")]
pub struct StoreArgs {
    /// Database that coordinates the machines: postgres://user@host/database.
    #[arg(long, value_name = "URL", env = "CRAWL_STORE", hide_env_values = true)]
    pub store: Option<String>,
    /// Where entries are stored: s3://bucket/prefix, or file:///folder on a mount that all machines have.
    #[arg(long, value_name = "URL", env = "CRAWL_OUTPUT", hide_env_values = true)]
    pub output: Option<String>,
    /// Name of the crawl in the database [default: the name of the seeds file, or the only crawl].
    #[arg(long = "crawl", value_name = "NAME")]
    pub name: Option<String>,
}

/// The crawl to read, if it is not the one in the data directory.
#[derive(Args, Debug)]
pub struct SourceArgs {
    /// A shared crawl.
    #[cfg(feature = "shared")]
    #[command(flatten)]
    pub store: StoreArgs,
}

/// Flags of `work`. Scope, pace and identity are those that the crawl was started with.
#[cfg(feature = "shared")]
#[derive(Args, Debug)]
pub struct WorkArgs {
    #[command(flatten)]
    pub store: StoreArgs,
    /// Try again what was given up, on all machines.
    #[arg(long)]
    pub retry_failed: bool,
    /// Requests in flight over all hosts.
    #[arg(long, value_name = "N", default_value_t = defaults::CONCURRENCY, value_parser = concurrency(CONCURRENCY_MAX))]
    pub concurrency: u16,
    /// Seconds allowed for connect, TLS, the first byte and each stall; a whole fetch may take 5 times as long.
    #[arg(short, long, value_name = "S", default_value_t = defaults::TIMEOUT.as_secs_f64(), value_parser = seconds, allow_negative_numbers = true)]
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

/// How fast to crawl.
#[derive(Args, Debug)]
#[command(next_help_heading = "Pace")]
pub struct PaceArgs {
    /// Requests per second and host; 0 means no limit.
    #[arg(long, value_name = "N", default_value_t = defaults::RATE, value_parser = rate, allow_negative_numbers = true)]
    pub rate: f64,
    /// Requests in flight over all hosts.
    #[arg(long, value_name = "N", default_value_t = defaults::CONCURRENCY, value_parser = concurrency(CONCURRENCY_MAX))]
    pub concurrency: u16,
    /// Requests in flight per host (raise it for your own sites).
    #[arg(long, value_name = "N", default_value_t = defaults::HOST_CONCURRENCY, value_parser = concurrency(HOST_CONCURRENCY_MAX))]
    pub host_concurrency: u16,
    /// Requests in flight to all hosts of one registrable domain [default: 4, or --host-concurrency if that is more].
    #[arg(long, value_name = "N", value_parser = concurrency(CONCURRENCY_MAX))]
    pub site_concurrency: Option<u16>,
    /// Requests per second to all hosts of one registrable domain; 0 means no limit.
    #[arg(long, value_name = "N", default_value_t = 0.0, value_parser = rate, allow_negative_numbers = true)]
    pub site_rate: f64,
    /// Requests in flight to all hosts at one address [default: no limit].
    #[arg(long, value_name = "N", value_parser = concurrency(CONCURRENCY_MAX))]
    pub address_concurrency: Option<u16>,
    /// Seconds allowed for connect, TLS, the first byte and each stall; a whole fetch may take 5 times as long.
    #[arg(short, long, value_name = "S", default_value_t = defaults::TIMEOUT.as_secs_f64(), value_parser = seconds, allow_negative_numbers = true)]
    pub timeout: f64,
}

/// What to crawl. The data directory remembers these flags.
#[derive(Args, Debug, Default)]
#[command(next_help_heading = "Scope (remembered)")]
pub struct ScopeArgs {
    /// Levels of sitemap indexes to follow (a root sitemap is level 0).
    #[arg(long, value_name = "N")]
    pub max_depth: Option<u16>,
    /// Sitemaps to accept per host.
    #[arg(long, value_name = "N")]
    pub max_sitemaps: Option<u64>,
    /// Children to take from each index.
    #[arg(long, value_name = "N")]
    pub max_children: Option<u64>,
    /// Hosts to accept of one registrable domain, besides those of the seeds.
    #[arg(long, value_name = "N")]
    pub max_hosts_per_site: Option<u64>,
    /// Fetch only nested sitemaps whose URL matches.
    #[arg(long, value_name = "RE")]
    pub include: Vec<String>,
    /// Do not fetch nested sitemaps whose URL matches.
    #[arg(long, value_name = "RE")]
    pub exclude: Vec<String>,
    /// When to try the well-known sitemap paths; auto: if robots.txt names no sitemap.
    #[arg(long, value_name = "WHEN")]
    pub probe: Option<ProbeArg>,
}

/// When to try the well-known sitemap paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ProbeArg {
    /// If robots.txt names no sitemap.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// How to connect.
#[derive(Args, Debug)]
#[command(next_help_heading = "Connection")]
pub struct ConnectionArgs {
    /// User-Agent; robots.txt rules are matched against the part before '/' [default: sitemap-crawler/VERSION (+contact)].
    #[arg(short, long, value_name = "NAME")]
    pub user_agent: Option<String>,
    /// Page or mail address where site owners can reach you; added to the User-Agent.
    #[arg(long, value_name = "URL|MAIL")]
    pub contact: Option<String>,
    /// Extra header, sent only to the hosts of the seeds.
    #[arg(short = 'H', long = "header", value_name = "N: V")]
    pub headers: Vec<String>,
    /// Use this proxy (default: HTTP_PROXY, HTTPS_PROXY and NO_PROXY).
    #[arg(long, value_name = "URL")]
    pub proxy: Option<String>,
    /// Also trust the certificates in this PEM file.
    #[arg(long, value_name = "FILE")]
    pub ca_cert: Option<PathBuf>,
    /// Connect to H2:P2 for requests to H1:P1; parts may be empty.
    #[arg(long, value_name = "H1:P1:H2:P2")]
    pub connect_to: Vec<ConnectTo>,
    /// Use this DNS server.
    #[arg(long, value_name = "ADDR:PORT")]
    pub resolver: Option<SocketAddr>,
    /// Allow requests to private, loopback and link-local addresses.
    #[arg(long)]
    pub allow_private: bool,
}

/// Flags of `resume`.
#[derive(Args, Debug)]
pub struct ResumeArgs {
    /// Try again what was given up.
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
    /// Output format.
    #[arg(long, default_value = "text")]
    pub format: StatusFormat,
}

/// The output formats of `status`.
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
    /// Output format.
    #[arg(short, long, default_value = "txt")]
    pub format: ExportFormat,
    /// Write to this file instead of stdout.
    #[arg(short = 'o', value_name = "FILE")]
    pub file: Option<PathBuf>,
    #[command(flatten)]
    pub source: SourceArgs,
    /// Write each URL once, with its first entry.
    #[arg(long)]
    pub unique: bool,
    /// Only entries from the sitemaps of this host (an origin or a name).
    #[arg(long, value_name = "H")]
    pub host: Option<String>,
    /// Only entries whose lastmod is not older; entries without lastmod are kept and counted.
    #[arg(long, value_name = "DATE")]
    pub since: Option<String>,
}

/// The output formats of `export`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// One URL per line.
    Txt,
    /// A table.
    Csv,
    /// One JSON object per line.
    Jsonl,
    /// Compressed columns.
    Parquet,
}

/// Flags of `report`.
#[derive(Args, Debug)]
pub struct ReportArgs {
    /// Output format.
    #[arg(short, long, default_value = "text")]
    pub format: ReportFormat,
    /// Write to this file instead of stdout.
    #[arg(short = 'o', value_name = "FILE")]
    pub file: Option<PathBuf>,
    #[command(flatten)]
    pub source: SourceArgs,
}

/// The output formats of `report`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
    /// For people with a browser: a web page in one file.
    Html,
}

/// Flags of `parse`.
#[derive(Args, Debug)]
pub struct ParseArgs {
    /// The document, compressed or not ('-' is stdin).
    pub file: PathBuf,
    /// URL of the document, against which relative URLs are resolved.
    #[arg(long, value_name = "BASE")]
    pub url: Option<String>,
    /// Charset that the Content-Type of the document named.
    #[arg(long, value_name = "LABEL")]
    pub charset: Option<String>,
    /// Output format.
    #[arg(short, long, default_value = "jsonl")]
    pub format: ParseFormat,
}

/// The output formats of `parse`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ParseFormat {
    /// One JSON object per line.
    Jsonl,
    /// One URL per line.
    Txt,
}

/// Flags of `robots`.
#[derive(Args, Debug)]
pub struct RobotsArgs {
    /// The robots.txt file ('-' is stdin).
    pub file: PathBuf,
    /// Product token, or whole User-Agent, of the crawler.
    #[arg(long, value_name = "A")]
    pub agent: String,
    /// The URL to check.
    #[arg(long, value_name = "U", required_unless_present = "info")]
    pub url: Option<String>,
    /// Print the sitemaps and the crawl delay that the file names instead.
    #[arg(long)]
    pub info: bool,
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate.is_finite() && rate >= 0.0 => Ok(rate),
        _ => Err("expected requests per second, or 0 for no limit".to_owned()),
    }
}

fn concurrency(max: u16) -> clap::builder::RangedI64ValueParser<u16> {
    clap::value_parser!(u16).range(1..=i64::from(max))
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds_max = TIMEOUT_MAX.as_secs_f64();
    match text.parse::<f64>() {
        Ok(seconds) if seconds > 0.0 && seconds <= seconds_max => Ok(seconds),
        _ => Err(format!("expected a number of seconds greater than 0 and at most {seconds_max}")),
    }
}
