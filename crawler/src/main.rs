//! The binary `crawl`.

mod allocator;
mod cli;
mod clock;
mod cpu_meter;
mod descriptors;
mod engine;
mod fetch;
mod local;
mod settings;
#[cfg(feature = "shared")]
mod shared;

fn main() -> std::process::ExitCode {
    allocator::limit_retained_memory();
    cli::main()
}
