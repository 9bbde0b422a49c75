//! The stored flags of a crawl: one line of JSON that contains the caller's JSON and its checksum.

use std::fs;
use std::io;
use std::path::Path;

use super::error::OpenError;
use super::layout::SETTINGS_FILE;
use super::replace::replace_durably;

const BEGIN: &str = "{\"settings\":";
const CHECKSUM: &str = ",\"crc32c\":\"";
const END: &str = "\"}\n";

/// Stores the settings in `dir` durably. Replaces the old ones.
pub(super) fn write(dir: &Path, json: &str) -> Result<(), OpenError> {
    let path = dir.join(SETTINGS_FILE);
    let line = format!("{BEGIN}{json}{CHECKSUM}{:08x}{END}", crc32c::crc32c(json.as_bytes()));
    replace_durably(&path, line.as_bytes()).map_err(|error| OpenError::io("write", &path, error))
}

/// The settings stored in `dir`; `None` if there are none.
pub(crate) fn read(dir: &Path) -> Result<Option<String>, OpenError> {
    let path = dir.join(SETTINGS_FILE);
    let line = match fs::read(&path) {
        Ok(line) => line,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Ok(None),
        Err(error) => return Err(OpenError::io("read", &path, error)),
    };
    let json = std::str::from_utf8(&line).ok().and_then(checked);
    let damaged = || OpenError::Damaged { path, reason: "checksum mismatch".to_owned() };
    json.map(|json| Some(json.to_owned())).ok_or_else(damaged)
}

fn checked(line: &str) -> Option<&str> {
    let (json, checksum) = line.strip_prefix(BEGIN)?.strip_suffix(END)?.rsplit_once(CHECKSUM)?;
    (checksum == format!("{:08x}", crc32c::crc32c(json.as_bytes()))).then_some(json)
}
