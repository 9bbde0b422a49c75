//! The binary `crawl`.

mod allocator;
mod cli;
mod clock;
mod cpu_meter;
mod defect;
mod descriptors;
mod engine;
mod fetch;
mod settings;
#[cfg(feature = "shared")]
mod shared;

fn main() -> std::process::ExitCode {
    allocator::keep_little();
    cli::main()
}
