//! The program `crawl`, a caller of the library `crawler`.

mod allocator;
mod cli;

fn main() -> std::process::ExitCode {
    allocator::limit_retained_memory();
    cli::main()
}
