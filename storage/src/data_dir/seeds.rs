//! The file `seeds`: what a crawl was started from. It is stored outside the queue, which may not contain all seeds
//! yet, or may be lost.
//!
//! A line is `crc32c url`, where the checksum is that of the URL. `https://host` is a site, a URL with a path is a
//! sitemap.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use frontier::seed::Seed;
use frontier::{NewTask, SessionId, TaskKind};

use super::error::OpenError;
use super::layout::{SEEDS_ADDED_FILE, SEEDS_FILE};
use super::replace::replace_durably;
use crate::disk::sync_dir;

/// How many times seeds are added until the place is stored from which the next process continues. It would add those after
/// that place once more, which changes nothing.
const ADDED_EVERY: u32 = 20;

/// Reads the stored seeds of a crawl that are not in its queue yet, in the order in which they were stored.
///
/// ```
/// # use std::sync::Arc;
/// # use frontier::work_queue::QueueBounds;
/// # use frontier::{Clock, Seed, Timestamp};
/// # struct StoppedClock;
/// # impl Clock for StoppedClock {
/// #     fn now(&self) -> Timestamp {
/// #         Timestamp::default()
/// #     }
/// #
/// #     async fn sleep_until(&self, _: Timestamp) {}
/// # }
/// let folder = tempfile::tempdir()?;
/// # let bounds = QueueBounds { sitemaps_max: 1_000, hosts_per_site_max: u64::MAX };
/// let data_dir = storage::DataDir::open(folder.path(), Arc::new(StoppedClock), bounds)?;
/// let seed = Seed::parse("https://a.example")?.ok_or("an empty line")?.task();
/// data_dir.add_seeds(&[seed.clone()])?;
/// let mut seeds = data_dir.new_seeds()?;
/// assert_eq!(seeds.next(100)?, [seed]);
/// assert_eq!(seeds.next(100)?, []);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct NewSeeds {
    dir: PathBuf,
    lines: Option<BufReader<File>>,
    /// Where the next line begins.
    at: u64,
    damaged: u64,
    /// How often seeds were added since the place was stored.
    unstored: u32,
}

impl NewSeeds {
    /// Opens the seeds stored in `dir`, of which those are left out that an earlier process has added to a queue with these
    /// last commits.
    pub(super) fn open(dir: &Path, commits: &BTreeMap<SessionId, u64>) -> Result<Self, OpenError> {
        let path = dir.join(SEEDS_FILE);
        let io = |error| OpenError::io("read", &path, error);
        let mut seeds = Self { dir: dir.to_owned(), lines: None, at: 0, damaged: 0, unstored: 0 };
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(seeds),
            Err(error) => return Err(io(error)),
        };
        let length = file.metadata().map_err(io)?.len();
        // The queue may have lost commits in a power cut, or have been rebuilt. Then all seeds are added again.
        let is_in_queue = |added: &Added| commits.get(&added.session).is_some_and(|last| added.seq <= *last);
        let added = Added::read(dir)?.filter(is_in_queue).filter(|added| added.bytes <= length);
        seeds.at = added.map_or(0, |added| added.bytes);
        file.seek(SeekFrom::Start(seeds.at)).map_err(io)?;
        seeds.lines = Some(BufReader::new(file));
        Ok(seeds)
    }

    /// The first tasks of the next seeds, at most `n`. None at the end.
    pub fn next(&mut self, n: usize) -> Result<Vec<NewTask>, OpenError> {
        let (mut tasks, mut line) = (Vec::new(), Vec::new());
        let Some(lines) = &mut self.lines else { return Ok(tasks) };
        while tasks.len() < n {
            line.clear();
            let read = lines.read_until(b'\n', &mut line);
            let bytes = read.map_err(|error| OpenError::io("read", &self.dir.join(SEEDS_FILE), error))?;
            // An incomplete last line is left where it is, since the next seed is written behind it.
            let Some(text) = line.strip_suffix(b"\n") else {
                self.damaged += u64::from(bytes > 0);
                self.lines = None;
                break;
            };
            self.at += bytes as u64;
            match parse(&String::from_utf8_lossy(text)) {
                Some(task) => tasks.push(task),
                None => self.damaged += 1,
            }
        }
        let rest = self.lines.as_mut().map(|lines| lines.fill_buf().map(<[u8]>::is_empty));
        let is_end =
            rest.transpose().map_err(|error| OpenError::io("read", &self.dir.join(SEEDS_FILE), error))?;
        self.lines.take_if(|_| is_end == Some(true));
        Ok(tasks)
    }

    /// Number of damaged lines so far.
    pub fn damaged(&self) -> u64 {
        self.damaged
    }

    /// Notes that all seeds that were read are in the queue since commit `seq` of `session`.
    pub fn added(&mut self, session: SessionId, seq: u64) -> Result<(), OpenError> {
        self.unstored += 1;
        if self.unstored < ADDED_EVERY && self.lines.is_some() {
            return Ok(());
        }
        self.unstored = 0;
        Added { bytes: self.at, session, seq }.write(&self.dir)
    }
}

/// The file `seeds.added`: how many bytes of `seeds` are in the queue, and since which commit of which session. It is one
/// line with a CRC-32C.
struct Added {
    bytes: u64,
    session: SessionId,
    seq: u64,
}

impl Added {
    fn line(&self) -> String {
        let Self { bytes, session, seq } = self;
        let figures = format!("{bytes} {session} {seq}");
        format!("{figures} {:08x}\n", crc32c::crc32c(figures.as_bytes()))
    }

    fn write(&self, dir: &Path) -> Result<(), OpenError> {
        let path = dir.join(SEEDS_ADDED_FILE);
        replace_durably(&path, self.line().as_bytes()).map_err(|error| OpenError::io("write", &path, error))
    }

    /// Reads the file in `dir`. `None` if there is none, or if it is damaged.
    fn read(dir: &Path) -> Result<Option<Self>, OpenError> {
        let path = dir.join(SEEDS_ADDED_FILE);
        match fs::read(&path) {
            Ok(bytes) => Ok(std::str::from_utf8(&bytes).ok().and_then(Self::parse)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(OpenError::io("read", &path, error)),
        }
    }

    fn parse(line: &str) -> Option<Self> {
        let mut parts = line.split(' ');
        let bytes = parts.next()?.parse().ok()?;
        let session = SessionId(u128::from_str_radix(parts.next()?, 16).ok()?);
        let added = Self { bytes, session, seq: parts.next()?.parse().ok()? };
        (added.line() == line).then_some(added)
    }
}

/// Appends `seeds` to the file in `dir` durably, except those that it contains already.
pub(super) fn add(dir: &Path, seeds: &[NewTask]) -> Result<(), OpenError> {
    if seeds.is_empty() {
        return Ok(());
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: SessionId = SessionId(1);

    fn seed(n: u32) -> NewTask {
        Seed::parse(&format!("https://h{n}.example")).unwrap().unwrap().task()
    }

    /// The seeds that a process reads if these were the last commits of the sessions of its queue.
    fn read(dir: &Path, commits: &[(SessionId, u64)]) -> (Vec<NewTask>, NewSeeds) {
        let mut seeds = NewSeeds::open(dir, &commits.iter().copied().collect()).unwrap();
        (seeds.next(100).unwrap(), seeds)
    }

    #[test]
    fn seeds_that_are_in_the_queue_are_read_once_more_only_if_the_queue_has_lost_their_commit() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        add(dir, &[seed(1), seed(2)]).unwrap();
        let (read_first, mut seeds) = read(dir, &[]);
        assert_eq!(read_first, [seed(1), seed(2)]);
        seeds.added(FIRST, 5).unwrap();
        assert_eq!(read(dir, &[(FIRST, 5)]).0, []);
        add(dir, &[seed(2), seed(3)]).unwrap();
        assert_eq!(read(dir, &[(FIRST, 6), (SessionId(2), 1)]).0, [seed(3)]);
        assert_eq!(read(dir, &[(FIRST, 4)]).0.len(), 3, "a power cut cost the commit");
        assert_eq!(read(dir, &[(SessionId(3), 9)]).0.len(), 3, "the queue was rebuilt");
    }

    #[test]
    fn a_line_that_was_not_written_to_its_end_is_passed_over_and_the_seed_behind_it_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        let half = &line(&seed(2))[..12];
        fs::write(dir.join(SEEDS_FILE), line(&seed(1)) + half).unwrap();
        let (read_first, mut seeds) = read(dir, &[]);
        assert_eq!((read_first, seeds.damaged()), (vec![seed(1)], 1));
        seeds.added(FIRST, 1).unwrap();
        add(dir, &[seed(2)]).unwrap();
        let (read_next, seeds) = read(dir, &[(FIRST, 1)]);
        assert_eq!((read_next, seeds.damaged()), (vec![seed(2)], 1));
    }
}
