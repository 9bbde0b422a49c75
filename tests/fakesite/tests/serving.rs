use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use fakesite::{Latency, Page, Scheme, ServeOptions, Site, Web};
use flate2::read::GzDecoder;

use crate::client::{
    PATIENCE, connect, exchange, get, read_all, request, reqwest_client, serve, wait_for, wait_until,
};

#[test]
fn one_port_serves_http_and_https_and_both_versions_of_http() {
    let server = serve(Site::new().page("/sitemap.xml", Page::xml("<urlset/>")));
    assert_eq!(get(&server, "/sitemap.xml").body(), b"<urlset/>");
    let url = format!("https://www.example.com:{}/sitemap.xml", server.port());
    let client = reqwest_client(&server, &["www.example.com"]);
    let (version, text) = wait_for(async {
        let response = client.get(&url).send().await.unwrap();
        (response.version(), response.text().await.unwrap())
    });
    assert_eq!((version, text.as_str()), (reqwest::Version::HTTP_2, "<urlset/>"));

    let log = server.log();
    let seen: Vec<_> = log.iter().map(|entry| (entry.scheme, entry.protocol, entry.status)).collect();
    assert_eq!(seen, [(Scheme::Http, "http/1.1", 200), (Scheme::Https, "h2", 200)]);
    assert_eq!(server.connections()[1].server_name.as_deref(), Some("www.example.com"));
}

#[test]
fn http2_is_not_offered_when_the_options_say_so() {
    let web = Web::new().host("www.example.com", Site::new().page("/", Page::text("hello")));
    let server = web.serve(ServeOptions { h2: false, ..ServeOptions::default() }).unwrap();
    let client = reqwest_client(&server, &["www.example.com"]);
    let url = format!("https://www.example.com:{}/", server.port());
    let version = wait_for(async { client.get(&url).send().await.unwrap().version() });
    assert_eq!(version, reqwest::Version::HTTP_11);
}

#[test]
fn hosts_are_told_apart_by_name_and_if_wanted_by_port() {
    let page = |text: &str| Site::new().page("/", Page::text(text));
    let web = Web::new().host("a.test", page("a")).host("A.test:81", page("a81")).host("b.test", page("b"));
    let server = web.serve(ServeOptions::default()).unwrap();
    let ask = |host: &str| {
        let head = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        exchange(&server, &head, PATIENCE)
    };
    assert_eq!(ask("a.test").body(), b"a");
    assert_eq!(ask("a.test:82").body(), b"a");
    assert_eq!(ask("a.test:81").body(), b"a81");
    assert_eq!(ask("B.TEST").body(), b"b");
    assert_eq!(ask("c.test").status(), 404);
}

#[test]
fn a_query_is_part_of_the_path_and_what_is_not_there_is_404() {
    let server = serve(Site::new().page("/map?part=1", Page::text("one")).page("/map", Page::text("all")));
    assert_eq!(get(&server, "/map?part=1").body(), b"one");
    assert_eq!(get(&server, "/map").body(), b"all");
    assert_eq!(get(&server, "/map?part=2").status(), 404);
}

#[test]
fn requests_share_a_connection_and_the_log_shows_it() {
    let server = serve(Site::new().robots("User-agent: *\n"));
    let mut stream = connect(&server);
    let first = request("/robots.txt", "user-agent: probe/1\r\n");
    let second = request("/robots.txt", "connection: close\r\n");
    stream.write_all((first + &second).as_bytes()).unwrap();
    let text = read_all(&mut stream, usize::MAX).text();
    assert_eq!(text.matches("HTTP/1.1 200 OK").count(), 2);

    let log = server.log();
    assert_eq!(log[0].connection_id, log[1].connection_id);
    assert_eq!((log[0].nth, log[1].nth), (1, 2));
    assert_eq!(log[0].header("user-agent"), Some("probe/1"));
    assert_eq!(log[0].url(), "http://www.example.com/robots.txt");
    assert_eq!(log[0].body_bytes, 14);
    assert!(log[0].at_us <= log[1].at_us && log[1].at_us <= server.now_us());
    wait_until(|| server.connections()[0].closed_us.is_some());
}

#[test]
fn the_log_counts_what_runs_on_a_host_at_once() {
    let latency = Latency::fixed(Duration::from_millis(200));
    let server = serve(Site::new().page("/", Page::text("slow")).latency(latency));
    let mut streams = [connect(&server), connect(&server)];
    for stream in &mut streams {
        stream.write_all(request("/", "connection: close\r\n").as_bytes()).unwrap();
    }
    for stream in &mut streams {
        assert_eq!(read_all(stream, usize::MAX).body(), b"slow");
    }
    wait_until(|| server.log().iter().all(|entry| entry.ended_us.is_some()));
    get(&server, "/");
    let in_flight: Vec<_> = server.log().iter().map(|entry| entry.in_flight).collect();
    assert_eq!(in_flight, [1, 2, 1]);
    assert!(server.log().iter().all(|entry| entry.ended_us.unwrap() >= entry.at_us + 200_000));
}

#[test]
fn a_client_that_leaves_ends_its_request() {
    let server =
        serve(Site::new().page("/", Page::text("")).latency(Latency::fixed(Duration::from_secs(3600))));
    let mut stream = connect(&server);
    stream.write_all(request("/", "").as_bytes()).unwrap();
    wait_until(|| server.log().len() == 1);
    drop(stream);
    wait_until(|| server.log()[0].ended_us.is_some());
    assert_eq!(server.log()[0].status, 0);
}

#[test]
fn a_written_page_is_written_once_and_the_same_for_all() {
    let times = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&times);
    let page = Page::written("text/plain", move |out| {
        counter.fetch_add(1, Ordering::Relaxed);
        out.write_all(&[b'x'; 100_000])
    });
    let server = serve(Site::new().page("/", page));
    assert_eq!(get(&server, "/").body(), [b'x'; 100_000]);
    assert_eq!(get(&server, "/").body(), [b'x'; 100_000]);
    assert_eq!(times.load(Ordering::Relaxed), 1);
}

#[test]
fn a_page_that_cannot_be_written_is_500_with_the_reason() {
    let page = Page::written("text/plain", |_| Err(std::io::Error::other("out of ink")));
    let received = get(&serve(Site::new().page("/", page)), "/");
    assert_eq!((received.status(), received.body()), (500, b"out of ink".as_slice()));
}

#[test]
fn a_streamed_page_is_chunked_unless_its_length_is_known() {
    let chunks = || ["one ", "two "].map(|text| text.as_bytes().into());
    let known = Page::streamed("text/plain", Some(8), move || chunks().into_iter());
    let unknown = Page::streamed("text/plain", None, move || chunks().into_iter());
    let server = serve(Site::new().page("/known", known).page("/unknown", unknown));
    let received = get(&server, "/known");
    assert_eq!(
        (received.header("content-length").as_deref(), received.body()),
        (Some("8"), b"one two ".as_slice())
    );
    let received = get(&server, "/unknown");
    assert_eq!(received.body(), b"4\r\none \r\n4\r\ntwo \r\n0\r\n\r\n");
}

#[test]
fn gzip_comes_as_a_file_or_as_an_encoding_for_those_who_accept_it() {
    let file = Page::xml("<urlset/>").gzipped();
    let encoded = Page::xml("<urlset/>").gzip_encoded();
    let server = serve(Site::new().page("/map.xml.gz", file).page("/map.xml", encoded));
    let inflate = |packed: &[u8]| {
        let mut text = String::new();
        GzDecoder::new(packed).read_to_string(&mut text).unwrap();
        text
    };
    let received = get(&server, "/map.xml.gz");
    assert_eq!(received.header("content-type").as_deref(), Some("application/gzip"));
    assert_eq!(received.header("content-encoding"), None);
    assert_eq!(inflate(received.body()), "<urlset/>");
    assert_eq!(get(&server, "/map.xml").body(), b"<urlset/>");
    let head = request("/map.xml", "accept-encoding: br, gzip\r\nconnection: close\r\n");
    let received = exchange(&server, &head, PATIENCE);
    assert_eq!(received.header("content-encoding").as_deref(), Some("gzip"));
    assert_eq!(inflate(received.body()), "<urlset/>");
}

#[test]
fn a_validator_that_still_holds_is_answered_by_304() {
    let page = Page::xml("<urlset/>").etag("\"v1\"").last_modified("Mon, 01 Jun 2026 10:00:00 GMT");
    let server = serve(Site::new().page("/", page));
    let ask = |header: &str| {
        exchange(&server, &request("/", &format!("{header}\r\nconnection: close\r\n")), PATIENCE)
    };
    let received = ask("if-none-match: \"v0\", \"v1\"");
    assert_eq!((received.status(), received.body()), (304, b"".as_slice()));
    assert_eq!(ask("if-none-match: \"v2\"").status(), 200);
    assert_eq!(ask("if-modified-since: Mon, 01 Jun 2026 10:00:00 GMT").status(), 304);
    assert_eq!(get(&server, "/").header("etag").as_deref(), Some("\"v1\""));
}

#[test]
fn pages_may_be_made_from_the_request() {
    let site = Site::new().otherwise(|request| {
        let n: u32 = request.path.strip_prefix("/deep/")?.parse().ok()?;
        Some(Page::text(format!("{} {} {}", n + 1, request.host, request.nth)))
    });
    let server = serve(site);
    assert_eq!(get(&server, "/deep/41").body(), b"42 www.example.com 1");
    assert_eq!(get(&server, "/deep/41").body(), b"42 www.example.com 2");
    assert_eq!(get(&server, "/shallow").status(), 404);
}

#[test]
fn it_stands_in_for_a_proxy() {
    let server = serve(Site::new().page("/", Page::text("hello")));
    let head = "GET http://www.example.com/ HTTP/1.1\r\nhost: other.test\r\nconnection: close\r\n\r\n";
    assert_eq!(exchange(&server, head, PATIENCE).body(), b"hello");

    let proxy = reqwest::Proxy::all(format!("http://{}", server.address())).unwrap();
    let authority = reqwest::Certificate::from_pem(server.ca_pem().as_bytes()).unwrap();
    drop(reqwest_client(&server, &[]));
    let client = reqwest::Client::builder().proxy(proxy).tls_certs_only([authority]).build().unwrap();
    let text = wait_for(async {
        client.get("https://www.example.com/").send().await.unwrap().text().await.unwrap()
    });
    assert_eq!(text, "hello");
    let tunnel = server.connections()[1].tunnel.clone();
    assert_eq!(tunnel.as_deref(), Some("www.example.com:443"));
}

#[test]
fn what_is_no_get_is_refused() {
    let server = serve(Site::new());
    assert_eq!(exchange(&server, "POST / HTTP/1.1\r\ncontent-length: 0\r\n\r\n", PATIENCE).status(), 405);
    let head = exchange(&server, &request("/", &"x: y\r\n".repeat(120)), PATIENCE / 100);
    assert_eq!(head.status(), 404, "this many headers are accepted");
    let endless = "x".repeat(200_000);
    assert_eq!(exchange(&server, &format!("GET /{endless}"), PATIENCE).text().split(' ').nth(1), Some("431"));
}

#[test]
fn a_dropped_server_leaves_nobody_listening() {
    let server = serve(Site::new());
    let mut stream = connect(&server);
    get(&server, "/");
    let address = server.address();
    drop(server);
    assert_eq!(read_all(&mut stream, usize::MAX).bytes, b"");
    assert!(std::net::TcpStream::connect(address).is_err());
}

#[test]
fn a_port_that_is_taken_is_named() {
    let server = serve(Site::new());
    let error =
        Web::new().serve(ServeOptions { port: server.port(), ..ServeOptions::default() }).unwrap_err();
    assert!(error.to_string().contains(&server.address().to_string()), "{error}");
}
