//! Peak resident memory of `crawl parse` while it reads a long document.

use std::io::Write;
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};

use super::documents::Document;
use crate::child::program;

/// More than a pipe and the buffers behind it hold: once this has been written after a document, the document was read.
const PADDING_BYTES: usize = 256 << 10;
/// Goal, in MiB.
const PEAK_MIB_MAX: f64 = 16.0;

/// Prints the peak for each document, plain and gzipped.
pub fn run() -> anyhow::Result<()> {
    println!("memory of crawl parse, JSONL written (goal: at most {PEAK_MIB_MAX} MiB)");
    for document in [Document::rich(), Document::one_token()] {
        let gzipped = document.gzipped()?;
        for (form, body) in [("plain", document.text.as_bytes()), ("gzip", &gzipped)] {
            println!("  {}, {form}: peak RSS {:.1} MiB", document.name, peak_mib(body)?);
        }
    }
    Ok(())
}

/// Gives `body` to `crawl parse` and reads its peak memory before it can end. (The peak that the system reports for an
/// ended child includes the memory of its parent.)
fn peak_mib(body: &[u8]) -> anyhow::Result<f64> {
    let mut child = Command::new(program("crawl")?)
        .args(["parse", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let mut stdin = child.stdin.take().context("no pipe")?;
    // White space after the root element, or not a gzip member: the reader ignores it.
    stdin.write_all(body).and_then(|()| stdin.write_all(&[b' '; PADDING_BYTES]))?;
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id()))?;
    drop(stdin);
    ensure!(child.wait()?.success(), "crawl parse failed");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    let kib: f64 = peak.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib / 1024.0)
}
