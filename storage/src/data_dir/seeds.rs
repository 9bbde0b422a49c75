//! The file `seeds`: what a crawl was started from. It is stored outside the queue, which may not contain all seeds
//! yet, or may be lost.
//!
//! A line is `crc32c url`, where the checksum is that of the URL. `https://host` is a site, a URL with a path is a
//! sitemap.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;

use frontier::seed::Seed;
use frontier::{NewTask, TaskKind};

use super::error::OpenError;
use super::layout::SEEDS_FILE;
use crate::disk::sync_dir;

/// The stored seeds.
#[derive(Default)]
pub struct Seeds {
    /// The first task of each seed.
    pub tasks: Vec<NewTask>,
    /// Number of damaged lines.
    pub damaged: u64,
}

/// Appends `seeds` to the file in `dir` durably, except those that it contains already.
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
        // A process that was killed left an incomplete last line.
        new.insert(0, '\n');
    }
    let is_new = !path.exists();
    let mut file = File::options().append(true).create(true).open(&path).map_err(io)?;
    file.write_all(new.as_bytes()).and_then(|()| file.sync_all()).map_err(io)?;
    if is_new { sync_dir(dir).map_err(io) } else { Ok(()) }
}

/// Reads the seeds stored in `dir`.
pub(crate) fn read(dir: &Path) -> Result<Seeds, OpenError> {
    let mut seeds = Seeds::default();
    for line in lines(dir)? {
        match line? {
            Some(task) => seeds.tasks.push(task),
            None => seeds.damaged += 1,
        }
    }
    Ok(seeds)
}

/// The first task of each seed stored in `dir`, in their order; `None` for a damaged line. The file is read as it goes.
pub(crate) fn lines(
    dir: &Path,
) -> Result<impl Iterator<Item = Result<Option<NewTask>, OpenError>> + use<>, OpenError> {
    let path = dir.join(SEEDS_FILE);
    let file = match File::open(&path) {
        Ok(file) => Some(BufReader::new(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(OpenError::io("read", &path, error)),
    };
    let lines = file.into_iter().flat_map(|file| file.split(b'\n'));
    Ok(lines.map(move |line| {
        let line = line.map_err(|error| OpenError::io("read", &path, error))?;
        Ok(parse(&String::from_utf8_lossy(&line)))
    }))
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
        TaskKind::Sitemap | TaskKind::Probe(_) | TaskKind::LastProbe | TaskKind::RobotsHop => {
            seed.task.url.clone()
        }
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
