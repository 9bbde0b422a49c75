//! The command line: flags, commands, messages and exit codes.

pub mod args;
pub mod crawl;
pub mod exit_code;
mod export;
mod log;
pub mod output;
mod parse;
pub mod progress;
mod reading;
mod rebuild;
mod report;
mod robots;
#[cfg(feature = "shared")]
mod shared;
#[cfg(feature = "shared")]
mod shared_reading;
pub mod signals;
mod status;

use std::process::ExitCode;

use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory, FromArgMatches};

use args::{Cli, Command};

use crate::defect;

/// Runs the command line and gives its exit code. Whatever failed is said on stderr with its cause and, where there
/// is one, a hint.
pub fn main() -> ExitCode {
    defect::watch();
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
            Cli::command().print_help()?;
            Ok(exit_code::USAGE)
        }
        #[cfg(feature = "shared")]
        None if cli.store.store.is_some() || cli.store.output.is_some() => {
            shared::start(common, &cli.seeds, &cli.crawl, &cli.store)
        }
        None => crawl::start(common, &cli.seeds, &cli.crawl),
        Some(Command::Resume(args)) => crawl::resume(common, &args),
        #[cfg(feature = "shared")]
        Some(Command::Work(args)) => shared::work(common, *args),
        Some(Command::Status(args)) => status::run(common, &args),
        Some(Command::Export(args)) => export::run(common, &args),
        Some(Command::Report(args)) => report::run(common, &args),
        Some(Command::Rebuild) => rebuild::run(common),
        Some(Command::Parse(args)) => parse::run(&args),
        Some(Command::Robots(args)) => robots::run(&args),
        Some(Command::Completions { shell }) => {
            clap_complete::generate(shell, &mut Cli::command(), "crawl", &mut std::io::stdout());
            Ok(exit_code::OK)
        }
        Some(Command::Man) => {
            clap_mangen::Man::new(Cli::command()).render(&mut std::io::stdout())?;
            Ok(exit_code::OK)
        }
    }
}

/// `crawl --rate 5 resume` would silently crawl at the default rate: such flags belong behind the command.
fn refuse_crawl_flags_before_a_command(matches: &ArgMatches) {
    let Some(name) = matches.subcommand_name() else { return };
    let mut command = Cli::command();
    // What an argument is called is known only then.
    command.build();
    let typed = |id: &str| matches.value_source(id) == Some(ValueSource::CommandLine);
    let mut misplaced =
        command.get_arguments().filter(|arg| !arg.is_global_set() && typed(arg.get_id().as_str())).peekable();
    if let Some(arg) = misplaced.peek() {
        let message =
            format!("{arg} does not belong before `{name}`; give it behind the command if it takes it");
        Cli::command().error(clap::error::ErrorKind::ArgumentConflict, message).exit();
    }
}
