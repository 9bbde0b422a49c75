//! What a crawl was started from, told beside the queue, should that not know of it yet or be lost.
//!
//! A line is `crc32c url`, the checksum being that of the URL: `https://host` stands for a site, one with a path for a
//! sitemap.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use frontier::seed::Seed;
use frontier::{NewTask, TaskKind};

use super::OpenError;
use crate::disk::sync_dir;

const SEEDS_FILE: &str = "seeds";

/// The seeds that are remembered.
#[derive(Default)]
pub struct Seeds {
    /// Their first tasks.
    pub tasks: Vec<NewTask>,
    /// Lines that are damaged.
    pub damaged: u64,
}

/// Adds those of `seeds` to the file in `dir` that are not in it, durably.
pub(super) fn add(dir: &Path, seeds: &[NewTask]) -> Result<(), OpenError> {
    let path = dir.join(SEEDS_FILE);
    let io = |error| OpenError::io("write", &path, error);
    let before = text(dir)?;
    let known: BTreeSet<&str> = before.lines().collect();
    let mut new: String = seeds.iter().map(line).filter(|line| !known.contains(line.trim_end())).collect();
    if new.is_empty() {
        return Ok(());
    }
    if !before.is_empty() && !before.ends_with('\n') {
        // The end of the process cut the last line off.
        new.insert(0, '\n');
    }
    let is_new = !path.exists();
    let mut file = File::options().append(true).create(true).open(&path).map_err(io)?;
    file.write_all(new.as_bytes()).and_then(|()| file.sync_all()).map_err(io)?;
    if is_new { sync_dir(dir).map_err(io) } else { Ok(()) }
}

/// The seeds in `dir`.
pub(crate) fn read(dir: &Path) -> Result<Seeds, OpenError> {
    let mut seeds = Seeds::default();
    for line in text(dir)?.lines() {
        match parse(line) {
            Some(task) => seeds.tasks.push(task),
            None => seeds.damaged += 1,
        }
    }
    Ok(seeds)
}

fn text(dir: &Path) -> Result<String, OpenError> {
    let path = dir.join(SEEDS_FILE);
    match fs::read(&path) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(OpenError::io("read", &path, error)),
    }
}

fn line(seed: &NewTask) -> String {
    let url = match seed.task.kind {
        TaskKind::Robots => seed.host.to_string(),
        TaskKind::Sitemap | TaskKind::Probe(_) => seed.task.url.clone(),
    };
    format!("{:08x} {url}\n", crc32c::crc32c(url.as_bytes()))
}

fn parse(line: &str) -> Option<NewTask> {
    let (checksum, url) = line.split_once(' ')?;
    if checksum != format!("{:08x}", crc32c::crc32c(url.as_bytes())) {
        return None;
    }
    Some(Seed::parse(url).ok()??.task())
}
