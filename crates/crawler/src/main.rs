//! The binary `crawl`.

mod allocator;
mod cli;
mod clock;
mod defect;
mod descriptors;
mod engine;
mod fetch;
mod lanes;
mod live;
mod progress;
mod random;
mod read;
mod record;
mod rests;
mod session;
mod settings;
#[cfg(feature = "shared")]
mod shared;
mod shutdown;
mod tenure;
mod usage;
mod worker;

fn main() -> std::process::ExitCode {
    allocator::keep_little();
    cli::main()
}
