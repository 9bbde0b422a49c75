//! DuckDB, Polars and pandas read the sealed segments without conversion.

use std::process::Command;

use fakesite::{Page, Site, Web};
use serde_json::{Value, json};

use super::run::{Run, expect, stdout};

const DOCUMENT: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"
  xmlns:news="http://www.google.com/schemas/sitemap-news/0.9" xmlns:image="http://www.google.com/schemas/sitemap-image/1.1"
  xmlns:video="http://www.google.com/schemas/sitemap-video/1.1" xmlns:xhtml="http://www.w3.org/1999/xhtml">
 <url><loc>https://a.example/1</loc><lastmod>2026-03-01T10:00:00+02:00</lastmod><priority>0.8</priority>
  <news:news><news:publication><news:name>Herald</news:name><news:language>en</news:language></news:publication>
   <news:title>Größe</news:title></news:news>
  <image:image><image:loc>https://a.example/1.jpg</image:loc></image:image>
  <image:image><image:loc>https://a.example/2.jpg</image:loc></image:image>
  <video:video><video:title>v</video:title><video:tag>x</video:tag><video:tag>y</video:tag></video:video>
  <xhtml:link rel="alternate" hreflang="de" href="https://a.example/de"/></url>
 <url><loc>https://a.example/2</loc></url>
 <url><loc>https://a.example/2</loc></url>
</urlset>"#;

/// A Python program. Each of the three prints one JSON array: the number of rows, the types of the timestamp columns,
/// the number of rows without extensions, and values of the row with news.
const DUCKDB: &str = r#"
import duckdb
table = f"read_parquet('{GLOB}')"
rows = duckdb.sql(f"select count(*) from {table}").fetchall()[0][0]
row = duckdb.sql(f"""select loc, lastmod, epoch_us(lastmod_at), typeof(lastmod_at), typeof(fetched_at), news.title,
  [image.loc for image in images], videos[1].tags, alternates[1].href, priority from {table} where news is not null""").fetchall()[0]
types = sorted({row[3], row[4]})
empty = duckdb.sql(f"select count(*) from {table} where news is null and lastmod is null and len(images) = 0").fetchall()[0][0]
show(rows, types, empty, row[0], row[1], row[2], row[5], list(row[6]), list(row[7]), row[8], row[9])
"#;

const POLARS: &str = r#"
import polars
frame = polars.read_parquet(GLOB)
row = frame.filter(polars.col("news").is_not_null()).row(0, named=True)
types = sorted({str(frame.schema["lastmod_at"]), str(frame.schema["fetched_at"])})
empty = frame.filter(polars.col("news").is_null() & polars.col("lastmod").is_null() & (polars.col("images").list.len() == 0)).height
show(frame.height, types, empty, row["loc"], row["lastmod"], int(row["lastmod_at"].timestamp() * 1e6), row["news"]["title"],
  [image["loc"] for image in row["images"]], row["videos"][0]["tags"], row["alternates"][0]["href"], row["priority"])
"#;

const PANDAS: &str = r#"
import glob, pandas
frame = pandas.concat(pandas.read_parquet(path) for path in sorted(glob.glob(GLOB, recursive=True)))
row = frame[frame.news.notnull()].iloc[0]
types = sorted({str(frame.lastmod_at.dtype), str(frame.fetched_at.dtype)})
empty = int((frame.news.isnull() & frame.lastmod.isnull() & (frame.images.map(len) == 0)).sum())
show(len(frame), types, empty, row["loc"], row["lastmod"], int(row.lastmod_at.timestamp() * 1e6), row.news["title"],
  [image["loc"] for image in row.images], list(row.videos[0]["tags"]), row.alternates[0]["href"], row.priority)
"#;

const SHOW: &str = r#"
import json, sys
GLOB = sys.argv[1]
def show(*values):
    print(json.dumps(values))
"#;

fn expected(types: &[&str]) -> Value {
    json!([
        3,
        types,
        2,
        "https://a.example/1",
        "2026-03-01T10:00:00+02:00",
        1_772_352_000_000_000_u64,
        "Größe",
        ["https://a.example/1.jpg", "https://a.example/2.jpg"],
        ["x", "y"],
        "https://a.example/de",
        "0.8"
    ])
}

#[test]
fn duckdb_polars_and_pandas_read_sealed_segments_as_they_are() {
    let python = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/python/bin/python");
    let is_skipped = std::env::var("DEPS").is_ok_and(|deps| deps == "skip");
    if is_skipped && !std::path::Path::new(python).exists() {
        // `make deps` has reported that it is missing.
        return;
    }
    let site = Site::new().robots("Sitemap: https://a.example/s.xml\n").page("/s.xml", Page::xml(DOCUMENT));
    let run = Run::of(Web::new().host("a.example", site), &["a.example"]);
    run.crawl();
    let glob = run.data_dir().join("segments/**/*.parquet");
    for (program, types) in [
        (DUCKDB, "TIMESTAMP WITH TIME ZONE"),
        (POLARS, "Datetime(time_unit='us', time_zone='UTC')"),
        (PANDAS, "datetime64[us, UTC]"),
    ] {
        let mut command = Command::new(python);
        command.arg("-c").arg(format!("{SHOW}{program}")).arg(&glob);
        let shown: Value = serde_json::from_str(&stdout(&expect(command, 0))).unwrap();
        assert_eq!(shown, expected(&[types]), "{program}");
    }
}
