//! The command line: flags, commands, messages and exit codes.

mod args;
mod check;
mod crawl;
mod defect;
mod exit_code;
mod export;
mod log;
mod open_files;
mod output;
mod parse;
mod progress;
mod rebuild;
mod report;
mod robots;
#[cfg(feature = "shared")]
mod shared_place;
mod signals;
mod source;
mod status;
mod unfinished;
mod usage_error;

use std::io::Write;
use std::process::ExitCode;

use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory, FromArgMatches};

use args::{Cli, Command};

/// Runs the command line and returns its exit code. A failure is printed to stderr with its causes and, if there is one, a
/// hint.
pub fn main() -> ExitCode {
    defect::install_handlers();
    let matches = Cli::command().get_matches();
    let cli = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    refuse_crawl_flags_before_a_command(&matches);
    match run(cli) {
        Ok(code) => ExitCode::from(code),
        Err(error) => ExitCode::from(output::show_failure(&error)),
    }
}

fn run(cli: Cli) -> anyhow::Result<u8> {
    let common = &cli.common;
    match cli.command {
        None if cli.seeds.seeds.is_empty() && cli.seeds.seed.is_empty() => {
            // If the reader of a pipe has gone, there is nobody to tell.
            let _ = Cli::command().print_help();
            Ok(exit_code::USAGE)
        }
        #[cfg(feature = "shared")]
        None if cli.store.store.is_some() || cli.store.output.is_some() => {
            crawl::start_shared(common, &cli.seeds, &cli.crawl, &cli.store)
        }
        None => crawl::start(common, &cli.seeds, &cli.crawl),
        Some(Command::Resume(args)) => crawl::resume(common, &args),
        #[cfg(feature = "shared")]
        Some(Command::Work(args)) => crawl::work(common, *args),
        Some(Command::Status(args)) => status::run(common, &args),
        Some(Command::Export(args)) => export::run(common, &args),
        Some(Command::Report(args)) => report::run(common, &args),
        Some(Command::Rebuild) => rebuild::run(common),
        Some(Command::Parse(args)) => parse::run(&args),
        Some(Command::Robots(args)) => robots::run(&args),
        Some(Command::Completions { shell }) => {
            // Into memory first, because clap_complete panics if a write fails.
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "crawl", &mut script);
            output::write_result(None, |out| out.write_all(&script))
        }
        Some(Command::Man) => {
            let page = clap_mangen::Man::new(Cli::command());
            output::write_result(None, |out| page.render(out))
        }
    }
}

/// Refuses flags such as those of `crawl --rate 5 resume`, which would silently crawl at the default rate. They belong after
/// the command.
fn refuse_crawl_flags_before_a_command(matches: &ArgMatches) {
    let Some(name) = matches.subcommand_name() else { return };
    let mut command = Cli::command();
    // The names of the arguments are set by this.
    command.build();
    let typed = |id: &str| matches.value_source(id) == Some(ValueSource::CommandLine);
    let mut misplaced =
        command.get_arguments().filter(|arg| !arg.is_global_set() && typed(arg.get_id().as_str())).peekable();
    if let Some(arg) = misplaced.peek() {
        let message = format!(
            "{arg} does not belong before `{name}`; if the command takes it, write it after the command"
        );
        Cli::command().error(clap::error::ErrorKind::ArgumentConflict, message).exit();
    }
}
