//! Logging to stderr.

use std::io::{self, IsTerminal, Write};

use indicatif::ProgressBar;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use super::args::{CommonArgs, LogFormat};

/// Sets up logging by the flags and RUST_LOG. `bar` is hidden while a log line is written.
pub fn init(args: &CommonArgs, bar: Option<ProgressBar>) {
    let level = match (args.quiet, args.verbose) {
        (true, _) => "error",
        (false, 0) => "warn,crawl=info",
        (false, 1) => "info,crawl=debug",
        (false, _) => "debug,crawl=trace",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let writer = AroundBar(bar);
    let has_colour =
        io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_target(false).with_writer(writer);
    match args.log_format {
        LogFormat::Text => builder.with_ansi(has_colour).init(),
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
}

#[derive(Clone)]
struct AroundBar(Option<ProgressBar>);

impl MakeWriter<'_> for AroundBar {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

impl Write for AroundBar {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &self.0 {
            Some(bar) => bar.suspend(|| io::stderr().write(bytes)),
            None => io::stderr().write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
