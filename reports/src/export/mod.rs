//! The entries of a crawl as a file: one of four formats, all of them streamed.
//!
//! Memory does not grow with the crawl: a batch of entries is in work at a time, for Parquet a row group.

mod csv;
mod external_sort;
mod json_string;
pub mod jsonl;
mod lines;
mod moment;
mod parquet;
mod repeats;
mod selection;
mod txt;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use ::parquet::errors::ParquetError;
use arrow_array::RecordBatch;
use frontier::work_queue::QueueError;
use storage::{CrawlReader, EntryReader, LiveReader, ReadError};

use repeats::{Notes, Repeats, SORT_BYTES_MAX};
use selection::{Selected, Selection, texts};

/// The format of an export.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// One `loc` a line.
    Txt,
    /// A table with the first image and the first video of each entry.
    Csv,
    /// One JSON object a line, with everything that was published.
    Jsonl,
    /// Typed, nested columns with everything that was published.
    Parquet,
}

/// What to export, and how.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExportOptions {
    /// The format.
    pub format: Format,
    /// Only entries found on this host: an origin (`https://www.example.com:8443`), or a name, which stands for
    /// every scheme and port.
    pub host: Option<String>,
    /// Only entries changed at this moment or later, by their `lastmod_at`. Those without one are kept and counted.
    pub since: Option<jiff::Timestamp>,
    /// Only the first entry of each `loc`, of those that the other options leave. The crawl is then read twice; the
    /// path is a folder for what finding repeats needs beyond 128 MiB (files without a name, about 24 bytes an entry).
    pub unique: Option<PathBuf>,
}

/// What was exported.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ExportSummary {
    /// Entries written.
    pub written: u64,
    /// Entries left out by `host`.
    pub other_hosts: u64,
    /// Entries left out by `since`.
    pub older: u64,
    /// Of those written, the ones without a `lastmod_at` that `since` could test; 0 without `since`.
    pub undated: u64,
    /// Entries left out by `unique`.
    pub repeats: u64,
}

/// Why an export stopped.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// `host` is neither an origin nor a name.
    #[error("{0:?} is no host: give an origin such as https://www.example.com, or a name")]
    BadHost(String),
    /// The crawl has no such host.
    #[error("the crawl knows no host {0:?}")]
    UnknownHost(String),
    /// The entries could not be read.
    #[error("cannot read the crawl's entries: {0}")]
    Read(Box<dyn std::error::Error + Send + Sync>),
    /// Nobody reads the output any more, as when `head` has seen enough: no failure of ours.
    #[error("the reader of the output has gone")]
    BrokenPipe,
    /// What finding repeats needs beyond memory could not be kept.
    #[error("cannot keep temporary data in {}: {source}", dir.display())]
    Spill {
        /// The folder.
        dir: PathBuf,
        /// The refusal.
        source: io::Error,
    },
    /// The output could not be written.
    #[error("cannot write the output: {0}")]
    Write(io::Error),
    /// The entries could not be encoded.
    #[error("cannot encode the output: {0}")]
    Encode(ParquetError),
}

impl ExportError {
    fn read(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Read(Box::new(error))
    }
}

impl From<io::Error> for ExportError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe { Self::BrokenPipe } else { Self::Write(error) }
    }
}

impl From<ParquetError> for ExportError {
    fn from(error: ParquetError) -> Self {
        match error {
            ParquetError::External(cause) => match cause.downcast::<io::Error>() {
                Ok(error) => Self::from(*error),
                Err(cause) => Self::Encode(ParquetError::External(cause)),
            },
            _ => Self::Encode(error),
        }
    }
}

/// Where entries are exported from.
pub trait EntrySource {
    /// All entries in batches of [`storage::schema`]; asked for twice where repeats are to be found.
    fn batches(&self) -> Box<dyn Iterator<Item = Result<RecordBatch, ReadError>> + '_>;
}

impl EntrySource for CrawlReader {
    fn batches(&self) -> Box<dyn Iterator<Item = Result<RecordBatch, ReadError>> + '_> {
        Box::new(self.entries())
    }
}

impl EntrySource for EntryReader {
    fn batches(&self) -> Box<dyn Iterator<Item = Result<RecordBatch, ReadError>> + '_> {
        Box::new(self.entries())
    }
}

impl EntrySource for LiveReader {
    fn batches(&self) -> Box<dyn Iterator<Item = Result<RecordBatch, ReadError>> + '_> {
        Box::new(self.entries())
    }
}

/// Writes the entries of a crawl to `out`, each document's exactly once and in its order. `out` needs no buffer of its
/// own and is flushed at the end.
pub fn export(
    reader: &(impl EntrySource + ?Sized),
    options: &ExportOptions,
    out: impl Write + Send,
) -> Result<ExportSummary, ExportError> {
    let selection = Selection::new(options)?;
    let batches = || reader.batches().map(|batch| batch.map_err(ExportError::read));
    let mut selected = Selected::new(batches(), selection.clone());
    if let Some(dir) = &options.unique {
        let repeats = repeats(Selected::new(batches(), selection), dir)?;
        selected = selected.without(repeats, dir);
    }
    match options.format {
        Format::Txt => txt::write(&mut selected, out)?,
        Format::Csv => csv::write(&mut selected, out)?,
        Format::Jsonl => jsonl::write(&mut selected, out)?,
        Format::Parquet => parquet::write(&mut selected, out)?,
    }
    Ok(selected.summary())
}

/// Finds the entries that repeat the `loc` of an earlier one.
fn repeats(
    batches: impl Iterator<Item = Result<RecordBatch, ExportError>>,
    dir: &Path,
) -> Result<Repeats, ExportError> {
    let spill = |source| ExportError::Spill { dir: dir.to_owned(), source };
    let mut notes = Notes::new(SORT_BYTES_MAX, dir);
    for batch in batches {
        let batch = batch?;
        for loc in texts(&batch, "loc")? {
            notes.push(loc.unwrap_or_default()).map_err(spill)?;
        }
    }
    notes.repeats(SORT_BYTES_MAX, dir).map_err(spill)
}

/// Checks that the crawl with hosts of these origins knows the one that is asked for: a mistyped host must not look like a
/// host without entries.
pub fn check_host(
    origins: impl Iterator<Item = Result<String, QueueError>>,
    options: &ExportOptions,
) -> Result<(), ExportError> {
    let selection = Selection::new(options)?;
    let Some(host) = &options.host else { return Ok(()) };
    for known in origins {
        if selection.has_host(&known.map_err(ExportError::read)?) {
            return Ok(());
        }
    }
    Err(ExportError::UnknownHost(host.clone()))
}

#[cfg(test)]
mod tests {
    use ::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    use sitemap::{Alternate, Entry, Image, News, Video};

    use super::*;
    use crate::made_up::write_crawl;

    const OPTIONS: ExportOptions =
        ExportOptions { format: Format::Txt, host: None, since: None, unique: None };

    fn entry<'a>(loc: &'a str, lastmod: Option<&'a str>) -> Entry<'a> {
        Entry { loc, lastmod, lastmod_at: lastmod.and_then(sitemap::lastmod::parse), ..Entry::default() }
    }

    /// Two documents of one host, one of another; a repeat, and an entry with everything.
    fn crawl(path: &Path) {
        let rich = Entry {
            priority: Some("0.5"),
            news: Some(News { title: Some("=news, \u{202e}"), ..News::default() }),
            images: vec![Image { loc: Some("https://i.example/1"), ..Image::default() }; 2],
            videos: vec![Video { title: Some("v"), tags: vec!["a", "b"], ..Video::default() }],
            alternates: vec![Alternate { hreflang: Some("de"), href: "https://a.example/de" }],
            ..entry("https://a.example/3", Some("2026-03-01"))
        };
        write_crawl(
            path,
            &[
                (
                    "https://a.example",
                    vec![
                        entry("https://a.example/1", Some("2026-01-01")),
                        entry("https://a.example/2", None),
                    ],
                ),
                ("https://b.example:8443", vec![entry("https://b.example:8443/1", Some("2026-02-01"))]),
                ("https://a.example", vec![entry("https://a.example/1", Some("2026-01-01")), rich]),
            ],
        );
    }

    fn exported(options: &ExportOptions) -> (Vec<u8>, Result<ExportSummary, ExportError>) {
        let dir = tempfile::tempdir().unwrap();
        crawl(&dir.path().join("data"));
        let reader = CrawlReader::open(&dir.path().join("data")).unwrap();
        let mut out = Vec::new();
        let checked = check_host(reader.origins(), options);
        let result = checked.and_then(|()| export(&reader.into_entries(), options, &mut out));
        (out, result)
    }

    fn text(options: &ExportOptions) -> (String, ExportSummary) {
        let (out, summary) = exported(options);
        (String::from_utf8(out).unwrap(), summary.unwrap())
    }

    #[test]
    fn every_entry_of_every_document_comes_in_its_order_repeats_included() {
        let (out, summary) = text(&OPTIONS);
        insta::assert_snapshot!(out, @r#"
https://a.example/1
https://a.example/2
https://b.example:8443/1
https://a.example/1
https://a.example/3
"#);
        assert_eq!(summary, ExportSummary { written: 5, ..ExportSummary::default() });
    }

    #[test]
    fn a_host_by_its_name_gives_its_entries_alone() {
        let options = ExportOptions { host: Some("B.example".to_owned()), ..OPTIONS };
        let (out, summary) = text(&options);
        assert_eq!(out, "https://b.example:8443/1\n");
        assert_eq!(summary, ExportSummary { written: 1, other_hosts: 4, ..ExportSummary::default() });
    }

    #[test]
    fn a_host_that_the_crawl_does_not_know_is_an_error() {
        let options = ExportOptions { host: Some("https://b.example".to_owned()), ..OPTIONS };
        let error = exported(&options).1.unwrap_err();
        assert_eq!(error.to_string(), "the crawl knows no host \"https://b.example\"");
        let options = ExportOptions { host: Some("not a host".to_owned()), ..OPTIONS };
        assert!(matches!(exported(&options).1, Err(ExportError::BadHost(_))));
    }

    #[test]
    fn since_leaves_older_entries_out_and_counts_those_without_a_date() {
        let options = ExportOptions { since: Some("2026-02-01T00:00:00Z".parse().unwrap()), ..OPTIONS };
        let (out, summary) = text(&options);
        assert_eq!(out, "https://a.example/2\nhttps://b.example:8443/1\nhttps://a.example/3\n");
        assert_eq!(summary, ExportSummary { written: 3, older: 2, undated: 1, ..ExportSummary::default() });
    }

    #[test]
    fn unique_keeps_the_first_entry_of_each_loc_among_those_selected() {
        let options = ExportOptions { unique: Some(std::env::temp_dir()), ..OPTIONS };
        let (out, summary) = text(&options);
        assert_eq!(out.lines().filter(|loc| *loc == "https://a.example/1").count(), 1);
        assert_eq!(out.lines().next(), Some("https://a.example/1"));
        assert_eq!(summary, ExportSummary { written: 4, repeats: 1, ..ExportSummary::default() });

        let since = Some("2026-02-01T00:00:00Z".parse().unwrap());
        let (_, summary) = text(&ExportOptions { since, ..options });
        assert_eq!(summary, ExportSummary { written: 3, older: 2, undated: 1, ..ExportSummary::default() });
    }

    #[test]
    fn jsonl_has_an_object_for_every_entry() {
        let (out, _) = text(&ExportOptions { format: Format::Jsonl, ..OPTIONS });
        insta::assert_snapshot!(out, @r#"
{"loc":"https://a.example/1","lastmod":"2026-01-01","lastmod_at":"2026-01-01T00:00:00Z","sitemap":"https://a.example/sitemap-0.xml","host":"https://a.example","scope":"same-host","fetched_at":"2026-09-21T14:13:20.001000Z"}
{"loc":"https://a.example/2","sitemap":"https://a.example/sitemap-0.xml","host":"https://a.example","scope":"same-host","fetched_at":"2026-09-21T14:13:20.001000Z"}
{"loc":"https://b.example:8443/1","lastmod":"2026-02-01","lastmod_at":"2026-02-01T00:00:00Z","sitemap":"https://b.example:8443/sitemap-1.xml","host":"https://b.example:8443","scope":"same-host","fetched_at":"2026-09-21T14:13:20.001000Z"}
{"loc":"https://a.example/1","lastmod":"2026-01-01","lastmod_at":"2026-01-01T00:00:00Z","sitemap":"https://a.example/sitemap-2.xml","host":"https://a.example","scope":"same-host","fetched_at":"2026-09-21T14:13:20.001000Z"}
{"loc":"https://a.example/3","lastmod":"2026-03-01","lastmod_at":"2026-03-01T00:00:00Z","priority":0.5,"sitemap":"https://a.example/sitemap-2.xml","host":"https://a.example","scope":"same-host","news":{"title":"=news, \u202e"},"images":[{"loc":"https://i.example/1"},{"loc":"https://i.example/1"}],"videos":[{"title":"v","tags":["a","b"]}],"alternates":[{"hreflang":"de","href":"https://a.example/de"}],"fetched_at":"2026-09-21T14:13:20.001000Z"}
"#);
    }

    #[test]
    fn csv_has_a_heading_and_cells_that_are_no_formulas() {
        let (out, _) = text(&ExportOptions { format: Format::Csv, ..OPTIONS });
        insta::assert_snapshot!(crate::escape::Printable(&out.replace("\r\n", "\n")).to_string().replace("\\u{a}", "\n"), @r#"
loc,lastmod,lastmod_at,changefreq,priority,sitemap,host,scope,news_name,news_language,news_title,news_publication_date,news_access,news_genres,news_keywords,news_stock_tickers,image_count,image_loc,image_title,image_caption,image_geo_location,image_license,video_count,video_thumbnail_loc,video_title,video_description,video_content_loc,video_player_loc,video_player_loc_allow_embed,video_player_loc_autoplay,video_duration,video_expiration_date,video_rating,video_view_count,video_publication_date,video_family_friendly,video_restriction,video_restriction_relationship,video_platform,video_platform_relationship,video_requires_subscription,video_uploader,video_uploader_info,video_live,video_category,video_gallery_loc,video_gallery_loc_title,video_tvshow_show_title,video_tvshow_video_type,video_tvshow_episode_title,video_tvshow_season_number,video_tvshow_episode_number,video_tvshow_premier_date,video_id,video_id_type,video_tags,alternate_count,alternate_hreflang,alternate_href,fetched_at
https://a.example/1,2026-01-01,2026-01-01T00:00:00Z,,,https://a.example/sitemap-0.xml,https://a.example,same-host,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,2026-09-21T14:13:20.001000Z
https://a.example/2,,,,,https://a.example/sitemap-0.xml,https://a.example,same-host,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,2026-09-21T14:13:20.001000Z
https://b.example:8443/1,2026-02-01,2026-02-01T00:00:00Z,,,https://b.example:8443/sitemap-1.xml,https://b.example:8443,same-host,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,2026-09-21T14:13:20.001000Z
https://a.example/1,2026-01-01,2026-01-01T00:00:00Z,,,https://a.example/sitemap-2.xml,https://a.example,same-host,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,2026-09-21T14:13:20.001000Z
https://a.example/3,2026-03-01,2026-03-01T00:00:00Z,,0.5,https://a.example/sitemap-2.xml,https://a.example,same-host,,,"'=news, \u{202e}",,,,,,2,https://i.example/1,,,,,1,,v,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,"a, b",1,de,https://a.example/de,2026-09-21T14:13:20.001000Z
"#);
        let cells: Vec<usize> =
            out.replace("\"'=news, \u{202e}\"", "").lines().map(|line| line.split(',').count()).collect();
        assert!(cells[..3].iter().all(|count| *count == cells[0]), "{cells:?}");
    }

    #[test]
    fn parquet_reads_back_equal_and_names_its_schema_version() {
        let dir = tempfile::tempdir().unwrap();
        crawl(&dir.path().join("data"));
        let reader = CrawlReader::open(&dir.path().join("data")).unwrap();
        let path = dir.path().join("out.parquet");
        let options = ExportOptions { format: Format::Parquet, ..OPTIONS };
        export(&reader, &options, std::fs::File::create(&path).unwrap()).unwrap();

        let file = ParquetRecordBatchReaderBuilder::try_new(std::fs::File::open(&path).unwrap()).unwrap();
        assert_eq!(file.schema(), &storage::schema());
        let metadata = file.metadata().file_metadata().key_value_metadata().unwrap();
        assert!(metadata.iter().any(|pair| pair.key == storage::SCHEMA_VERSION_KEY
            && pair.value.as_deref() == Some(storage::SCHEMA_VERSION)));
        let read: Vec<_> = file.build().unwrap().map(Result::unwrap).collect();
        let read = arrow_select::concat::concat_batches(&storage::schema(), &read).unwrap();
        let written: Vec<_> = reader.entries().map(Result::unwrap).collect();
        let written = arrow_select::concat::concat_batches(&storage::schema(), &written).unwrap();
        assert_eq!(read, written);
    }

    #[test]
    fn an_export_of_nothing_is_a_whole_file_too() {
        let dir = tempfile::tempdir().unwrap();
        write_crawl(&dir.path().join("data"), &[("https://a.example", Vec::new())]);
        let reader = CrawlReader::open(&dir.path().join("data")).unwrap();
        for format in [Format::Txt, Format::Csv, Format::Jsonl, Format::Parquet] {
            let mut out = Vec::new();
            let summary = export(&reader, &ExportOptions { format, ..OPTIONS }, &mut out).unwrap();
            assert_eq!(summary, ExportSummary::default());
            match format {
                Format::Txt | Format::Jsonl => assert!(out.is_empty()),
                Format::Csv => assert!(out.starts_with(b"loc,")),
                Format::Parquet => assert!(out.ends_with(b"PAR1")),
            }
        }
    }

    struct GonePipe;

    impl Write for GonePipe {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_goes_away_is_told_apart_in_every_format() {
        let dir = tempfile::tempdir().unwrap();
        crawl(&dir.path().join("data"));
        let reader = CrawlReader::open(&dir.path().join("data")).unwrap();
        for format in [Format::Txt, Format::Csv, Format::Jsonl, Format::Parquet] {
            let result = export(&reader, &ExportOptions { format, ..OPTIONS }, GonePipe);
            assert!(matches!(result, Err(ExportError::BrokenPipe)), "{format:?}: {result:?}");
        }
    }
}
