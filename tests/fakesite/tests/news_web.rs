//! A simple crawl of the news web with plain sockets and string matching, compared with the plan.

use std::collections::{BTreeMap, HashSet};
use std::io::{Read, Write};
use std::net::TcpStream;

use fakesite::news::{Expected, ExpectedHost, Options, expected, host_names, web};
use fakesite::{ServeOptions, Server};
use flate2::read::GzDecoder;

use crate::client::{SILENCE, read_all};

/// The result of the simple crawl.
#[derive(Default)]
struct Found {
    hosts: BTreeMap<String, ExpectedHost>,
    locs: HashSet<u64>,
    entries: u64,
    /// Entries by feature.
    images: u64,
    news: u64,
    videos: u64,
    alternates: u64,
    loc_bytes: u64,
}

/// A persistent connection to a host, as a crawler has it.
struct HostClient {
    stream: TcpStream,
    name: String,
}

struct Response {
    status: u16,
    location: Option<String>,
    text: String,
}

impl HostClient {
    fn get(&mut self, path: &str) -> Response {
        let head = format!("GET {path} HTTP/1.1\r\nhost: {}\r\naccept-encoding: gzip\r\n\r\n", self.name);
        self.stream.write_all(head.as_bytes()).unwrap();
        let head = self.read_head();
        let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
        let mut body = vec![0; header("content-length: ").unwrap().parse().unwrap()];
        self.stream.read_exact(&mut body).unwrap();
        let mut text = String::new();
        if body.starts_with(&[0x1f, 0x8b]) {
            GzDecoder::new(body.as_slice()).read_to_string(&mut text).unwrap();
        } else {
            text = String::from_utf8(body).unwrap();
        }
        Response {
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            location: header("location: "),
            text,
        }
    }

    fn read_head(&mut self) -> String {
        let mut head = Vec::new();
        let mut byte = [0; 1];
        while !head.ends_with(b"\r\n\r\n") {
            self.stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        String::from_utf8(head).unwrap()
    }
}

fn between<'a>(text: &'a str, open: &'a str, close: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(open).skip(1).filter_map(move |rest| rest.split_once(close)).map(|(inner, _)| inner)
}

fn path_of(url: &str, host: &str) -> Option<String> {
    url.replace("&amp;", "&").strip_prefix(&format!("https://{host}")).map(str::to_owned)
}

impl Found {
    fn crawl(&mut self, server: &Server, name: &str) {
        let stream = TcpStream::connect(server.address()).unwrap();
        stream.set_nodelay(true).unwrap();
        let mut client = HostClient { stream, name: name.to_owned() };
        let robots = client.get("/robots.txt").text;
        let roots: Vec<_> = robots
            .lines()
            .filter_map(|line| line.split_once(": ").filter(|(key, _)| key.eq_ignore_ascii_case("sitemap")))
            .map(|(_, url)| path_of(url, name).unwrap())
            .collect();
        if roots.is_empty() {
            self.sitemap(&mut client, "/sitemap.xml");
        }
        roots.iter().for_each(|path| self.sitemap(&mut client, path));
    }

    fn host(&mut self, name: &str) -> &mut ExpectedHost {
        self.hosts.entry(name.to_owned()).or_default()
    }

    fn sitemap(&mut self, client: &mut HostClient, path: &str) {
        let name = client.name.clone();
        self.host(&name).found += 1;
        let mut response = client.get(path);
        if response.status == 503 {
            response = client.get(path);
        }
        if let Some(location) = response.location {
            if location.starts_with('/') {
                response = client.get(&location);
            } else {
                self.host(&name).redirected += 1;
                let (other, path) = location.strip_prefix("https://").unwrap().split_once('/').unwrap();
                client.name = other.to_owned();
                self.sitemap(client, &format!("/{path}"));
                client.name = name;
                return;
            }
        }
        if response.status != 200 {
            *self.host(&name).failed.entry(response.status).or_default() += 1;
            return;
        }
        self.host(&name).fetched += 1;
        let text = response.text;
        if text.contains("<sitemapindex") {
            self.host(&name).indexes += 1;
            for url in between(&text, "<loc>", "</loc>") {
                self.sitemap(client, &path_of(url, &name).unwrap());
            }
        } else {
            self.entries(&name, &text);
        }
    }

    fn entries(&mut self, name: &str, text: &str) {
        assert!(text.len() <= 52_428_800, "the limit of sitemaps.org");
        let locs: Vec<_> = match () {
            () if text.starts_with("https://") => text.lines().collect(),
            () if text.contains("<rss") => between(text, "<guid isPermaLink=\"true\">", "</guid>").collect(),
            () => between(text, "  <url>\n    <loc>", "</loc>").collect(),
        };
        assert!(locs.len() <= 50_000, "the limit of sitemaps.org");
        self.host(name).entries += locs.len() as u64;
        self.entries += locs.len() as u64;
        self.loc_bytes += locs.iter().map(|loc| loc.len() as u64).sum::<u64>();
        self.locs.extend(locs.iter().map(|loc| hash(loc)));
        self.images += text.matches("<image:image>").count() as u64;
        self.news += text.matches("<news:news>").count() as u64;
        self.videos += text.matches("<video:video>").count() as u64;
        self.alternates += text.matches("<xhtml:link ").count() as u64;
    }
}

fn hash(text: &str) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

fn crawl(options: Options) -> (Found, Expected) {
    let web = web(options);
    web.build_pages();
    let server = web.serve(ServeOptions::default()).unwrap();
    let expected = expected(options);
    let mut found = Found::default();
    for name in host_names() {
        if !expected.hosts[name].hangs {
            found.crawl(&server, name);
        }
    }
    (found, expected)
}

#[test]
fn the_documents_hold_what_the_plan_says() {
    let (found, expected) = crawl(Options { hanging: false, ..Options::default() });
    for (name, host) in &expected.hosts {
        assert_eq!(&found.hosts[*name], host, "{name}");
    }
    assert_eq!(found.entries, expected.total.entries);
    assert_eq!(found.locs.len() as u64, found.entries, "every loc occurs once");
    let loc_bytes = found.loc_bytes / found.entries;
    assert!((60..=120).contains(&loc_bytes), "locs have {loc_bytes} bytes on average");
    assert!(found.images > 100_000 && found.news > 5_000);
    assert_eq!((found.videos, found.alternates), (4_000, 48_000));
}

#[test]
fn the_two_hosts_that_hang_say_nothing_to_anyone() {
    let server = web(Options::default()).serve(ServeOptions::default()).unwrap();
    let expected = expected(Options::default());
    let hanging: Vec<_> =
        expected.hosts.iter().filter(|(_, host)| host.hangs).map(|(name, _)| *name).collect();
    assert_eq!(hanging, ["www.bloomberg.com", "www.wsj.com"]);
    for name in hanging {
        let mut stream = TcpStream::connect(server.address()).unwrap();
        stream.set_read_timeout(Some(SILENCE)).unwrap();
        write!(stream, "GET /robots.txt HTTP/1.1\r\nhost: {name}\r\n\r\n").unwrap();
        let received = read_all(&mut stream, usize::MAX);
        assert!(received.bytes.is_empty() && received.error.is_some());
    }
}
