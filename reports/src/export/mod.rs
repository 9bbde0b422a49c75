//! Exports the entries of a crawl in one of four formats. All of them are streamed.
//!
//! Memory does not grow with the crawl: it holds one batch of entries at a time, or one row group for Parquet.

mod csv;
mod error;
mod external_sort;
mod json_string;
pub mod jsonl;
mod lines;
mod moment;
mod options;
mod parquet;
mod repeats;
mod selection;
mod txt;

use std::io::Write;
use std::path::Path;

use arrow_array::RecordBatch;
use frontier::work_queue::QueueError;
use storage::{CrawlReader, EntryReader, LiveReader, ReadError};

pub use self::error::ExportError;
pub use self::options::{ExportOptions, ExportSummary, Format};
use self::repeats::{LocHashes, Repeats, SORT_BYTES_MAX};
use self::selection::{Selected, Selection, texts};

/// A source of entries to export.
pub trait EntrySource {
    /// All entries in batches of [`storage::schema`]. Called twice if repeats are left out.
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

/// Writes the entries of a crawl to `out`: those of each document exactly once, in document order. `out` needs no
/// buffer and is flushed at the end. The [crate] has an example.
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
    let mut hashes = LocHashes::new(SORT_BYTES_MAX, dir);
    for batch in batches {
        let batch = batch?;
        for loc in texts(&batch, "loc")? {
            hashes.push(loc.unwrap_or_default()).map_err(spill)?;
        }
    }
    hashes.repeats(SORT_BYTES_MAX, dir).map_err(spill)
}

/// Checks that the host selected in `options` is among these origins of the crawl, so that a mistyped host does not
/// look like a host without entries.
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
    use std::io;

    use ::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    use sitemap::{Alternate, Entry, Image, News, Video};

    use super::*;
    use crate::fixture::data_dir::write_crawl;

    const OPTIONS: ExportOptions =
        ExportOptions { format: Format::Txt, host: None, since: None, unique: None };

    fn entry<'a>(loc: &'a str, lastmod: Option<&'a str>) -> Entry<'a> {
        Entry { loc, lastmod, lastmod_at: lastmod.and_then(sitemap::lastmod::parse), ..Entry::default() }
    }

    /// Two documents of one host and one of another, with a repeated entry and an entry with all extensions.
    fn crawl(path: &Path) {
        let rich = Entry {
            priority: Some("0.5"),
            news: Some(News { title: Some("=news, \u{202e}"), ..News::default() }),
            images: vec![Image { loc: Some("https://i.example/1"), ..Image::default() }; 2],
            videos: vec![Video { title: Some("v"), tags: vec!["a", "b"], ..Video::default() }],
            alternates: vec![Alternate {
                hreflang: Some("de"),
                href: "https://a.example/de",
                ..Alternate::default()
            }],
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
        assert_eq!(error.to_string(), "the crawl has no host \"https://b.example\"");
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
    fn csv_has_a_heading_and_no_cell_is_a_formula() {
        let (out, _) = text(&ExportOptions { format: Format::Csv, ..OPTIONS });
        insta::assert_snapshot!(crate::escape::Printable(&out.replace("\r\n", "\n")).to_string().replace("\\u{a}", "\n"), @r#"
loc,lastmod,lastmod_at,changefreq,priority,sitemap,host,scope,news_name,news_language,news_title,news_publication_date,news_access,news_genres,news_keywords,news_stock_tickers,image_count,image_loc,image_title,image_caption,image_geo_location,image_license,video_count,video_thumbnail_loc,video_title,video_description,video_content_loc,video_player_loc,video_player_loc_allow_embed,video_player_loc_autoplay,video_duration,video_expiration_date,video_rating,video_view_count,video_publication_date,video_family_friendly,video_restriction,video_restriction_relationship,video_platform,video_platform_relationship,video_requires_subscription,video_uploader,video_uploader_info,video_live,video_category,video_gallery_loc,video_gallery_loc_title,video_tvshow_show_title,video_tvshow_video_type,video_tvshow_episode_title,video_tvshow_season_number,video_tvshow_episode_number,video_tvshow_premier_date,video_id,video_id_type,video_tags,alternate_count,alternate_hreflang,alternate_href,alternate_media,alternate_type,alternate_title,fetched_at
https://a.example/1,2026-01-01,2026-01-01T00:00:00Z,,,https://a.example/sitemap-0.xml,https://a.example,same-host,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,2026-09-21T14:13:20.001000Z
https://a.example/2,,,,,https://a.example/sitemap-0.xml,https://a.example,same-host,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,2026-09-21T14:13:20.001000Z
https://b.example:8443/1,2026-02-01,2026-02-01T00:00:00Z,,,https://b.example:8443/sitemap-1.xml,https://b.example:8443,same-host,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,2026-09-21T14:13:20.001000Z
https://a.example/1,2026-01-01,2026-01-01T00:00:00Z,,,https://a.example/sitemap-2.xml,https://a.example,same-host,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,2026-09-21T14:13:20.001000Z
https://a.example/3,2026-03-01,2026-03-01T00:00:00Z,,0.5,https://a.example/sitemap-2.xml,https://a.example,same-host,,,"'=news, \u{202e}",,,,,,2,https://i.example/1,,,,,1,,v,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,"a, b",1,de,https://a.example/de,,,,2026-09-21T14:13:20.001000Z
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

    struct ClosedPipe;

    impl Write for ClosedPipe {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_closed_pipe_has_its_own_error_in_every_format() {
        let dir = tempfile::tempdir().unwrap();
        crawl(&dir.path().join("data"));
        let reader = CrawlReader::open(&dir.path().join("data")).unwrap();
        for format in [Format::Txt, Format::Csv, Format::Jsonl, Format::Parquet] {
            let result = export(&reader, &ExportOptions { format, ..OPTIONS }, ClosedPipe);
            assert!(matches!(result, Err(ExportError::BrokenPipe)), "{format:?}: {result:?}");
        }
    }
}
