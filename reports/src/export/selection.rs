//! Selects the entries to export.

use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{Array, BooleanArray, StringArray};
use arrow_select::filter::filter_record_batch;
use frontier::Host;
use url::Url;

use super::error::ExportError;
use super::options::{ExportOptions, ExportSummary};
use super::repeats::Repeats;

/// The filters of an export.
#[derive(Clone, Debug)]
pub(super) struct Selection {
    host: Option<HostFilter>,
    since_us: Option<i64>,
}

/// An origin, or a host name with any scheme and port.
#[derive(Clone, Debug)]
enum HostFilter {
    Origin(String),
    Name(String),
}

impl HostFilter {
    fn parse(text: &str) -> Option<Self> {
        if text.contains("://") {
            return Host::of(&Url::parse(text).ok()?).map(|host| Self::Origin(host.to_string()));
        }
        // Parsed as part of a URL, to normalize case, international names and addresses as for the hosts of the crawl.
        let url = Url::parse(&format!("https://{text}/")).ok()?;
        let is_name = name_of(text) == text && url.path() == "/" && url.username().is_empty();
        let host = Host::of(&url).filter(|_| is_name && url.query().is_none() && url.fragment().is_none())?;
        Some(Self::Name(host.name().to_owned()))
    }

    fn admits(&self, origin: &str) -> bool {
        match self {
            Self::Origin(wanted) => origin == wanted,
            Self::Name(wanted) => name_of(origin) == wanted,
        }
    }
}

/// The host name of an origin, without scheme and port.
fn name_of(origin: &str) -> &str {
    let authority = origin.split_once("://").map_or(origin, |(_, authority)| authority);
    match authority.rsplit_once(':') {
        // Colons inside the brackets of an IPv6 address do not start a port.
        Some((name, port)) if !port.ends_with(']') => name,
        _ => authority,
    }
}

impl Selection {
    pub(super) fn new(options: &ExportOptions) -> Result<Self, ExportError> {
        let parse = |text: &String| HostFilter::parse(text).ok_or_else(|| ExportError::BadHost(text.clone()));
        Ok(Self {
            host: options.host.as_ref().map(parse).transpose()?,
            since_us: options.since.map(jiff::Timestamp::as_microsecond),
        })
    }

    /// Whether entries of the host with this origin are selected.
    pub(super) fn has_host(&self, origin: &str) -> bool {
        self.host.as_ref().is_none_or(|host| host.admits(origin))
    }
}

/// The batches of a crawl, reduced to the selected entries.
pub(super) struct Selected<I> {
    batches: I,
    selection: Selection,
    /// Repeats to leave out, and the folder of their temporary data.
    repeats: Option<(Repeats, PathBuf)>,
    summary: ExportSummary,
}

impl<I: Iterator<Item = Result<RecordBatch, ExportError>>> Selected<I> {
    pub(super) fn new(batches: I, selection: Selection) -> Self {
        Self { batches, selection, repeats: None, summary: ExportSummary::default() }
    }

    /// Leaves out `repeats`, which were found with the same selection and keep temporary data in `dir`.
    pub(super) fn without(self, repeats: Repeats, dir: &Path) -> Self {
        Self { repeats: Some((repeats, dir.to_owned())), ..self }
    }

    /// The counts so far.
    pub(super) fn summary(&self) -> ExportSummary {
        self.summary
    }

    fn select(&mut self, batch: RecordBatch) -> Result<RecordBatch, ExportError> {
        let batch = self.select_host(batch)?;
        let batch = self.select_since(batch)?;
        let batch = self.select_unique(batch)?;
        self.summary.written += batch.num_rows() as u64;
        Ok(batch)
    }

    fn select_host(&mut self, batch: RecordBatch) -> Result<RecordBatch, ExportError> {
        let Some(host) = &self.selection.host else { return Ok(batch) };
        let origins = column(&batch, "host")?.as_string_opt::<i32>().ok_or_else(|| wrong("host"))?;
        let mask: BooleanArray =
            origins.iter().map(|origin| Some(origin.is_some_and(|it| host.admits(it)))).collect();
        self.summary.other_hosts += (mask.len() - mask.true_count()) as u64;
        filtered(batch, &mask)
    }

    fn select_since(&mut self, batch: RecordBatch) -> Result<RecordBatch, ExportError> {
        let Some(since_us) = self.selection.since_us else { return Ok(batch) };
        let moments = column(&batch, "lastmod_at")?
            .as_primitive_opt::<TimestampMicrosecondType>()
            .ok_or_else(|| wrong("lastmod_at"))?;
        let mask: BooleanArray =
            moments.iter().map(|at_us| Some(at_us.is_none_or(|at_us| at_us >= since_us))).collect();
        self.summary.older += (mask.len() - mask.true_count()) as u64;
        self.summary.undated += moments.null_count() as u64;
        filtered(batch, &mask)
    }

    fn select_unique(&mut self, batch: RecordBatch) -> Result<RecordBatch, ExportError> {
        let Some((repeats, dir)) = &mut self.repeats else { return Ok(batch) };
        let is_first =
            (0..batch.num_rows()).map(|_| repeats.is_next_a_repeat().map(|is_repeat| Some(!is_repeat)));
        let mask = is_first.collect::<Result<BooleanArray, _>>();
        let mask = mask.map_err(|source| ExportError::Spill { dir: dir.clone(), source })?;
        self.summary.repeats += (mask.len() - mask.true_count()) as u64;
        filtered(batch, &mask)
    }
}

impl<I: Iterator<Item = Result<RecordBatch, ExportError>>> Iterator for Selected<I> {
    type Item = Result<RecordBatch, ExportError>;

    /// The next batch with a selected entry.
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.batches.next()?.and_then(|batch| self.select(batch)) {
                Ok(batch) if batch.num_rows() == 0 => {}
                batch => return Some(batch),
            }
        }
    }
}

/// A text column.
pub(super) fn texts<'a>(batch: &'a RecordBatch, name: &'static str) -> Result<&'a StringArray, ExportError> {
    column(batch, name)?.as_string_opt::<i32>().ok_or_else(|| wrong(name))
}

fn column<'a>(batch: &'a RecordBatch, name: &'static str) -> Result<&'a dyn Array, ExportError> {
    batch.column_by_name(name).map(|column| &**column).ok_or_else(|| wrong(name))
}

/// The error for a column that is missing or has the wrong type.
fn wrong(name: &'static str) -> ExportError {
    ExportError::Read(format!("column {name} is missing or has an unexpected type").into())
}

fn filtered(batch: RecordBatch, mask: &BooleanArray) -> Result<RecordBatch, ExportError> {
    // Most batches come from one host and are selected completely or not at all.
    match mask.true_count() {
        0 => Ok(batch.slice(0, 0)),
        all if all == batch.num_rows() => Ok(batch),
        _ => filter_record_batch(&batch, mask).map_err(ExportError::read),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admits(filter: &str, origin: &str) -> bool {
        HostFilter::parse(filter).unwrap().admits(origin)
    }

    #[test]
    fn an_origin_means_itself_and_may_give_the_default_port() {
        assert!(admits("https://WWW.example.com:443", "https://www.example.com"));
        assert!(admits("http://www.example.com:8080/any/path", "http://www.example.com:8080"));
        assert!(!admits("https://www.example.com", "http://www.example.com"));
        assert!(!admits("https://www.example.com", "https://www.example.com:8443"));
    }

    #[test]
    fn a_bare_name_means_every_scheme_and_port_of_that_name_alone() {
        for origin in ["https://www.example.com", "http://www.example.com", "https://www.example.com:8443"] {
            assert!(admits("www.Example.com", origin), "{origin}");
        }
        assert!(!admits("example.com", "https://www.example.com"));
        assert!(admits("bücher.example", "https://xn--bcher-kva.example"));
        assert!(admits("[::1]", "http://[::1]:8080"));
        assert!(admits("[::1]", "http://[::1]"));
    }

    #[test]
    fn invalid_hosts_are_refused() {
        for text in [
            "",
            "ftp://example.com",
            "www.example.com/path",
            "www.example.com:80",
            "www.example.com:443",
            "a b",
            "a@b",
            "a?b",
            "https://",
        ] {
            assert!(HostFilter::parse(text).is_none(), "{text}");
        }
    }
}
