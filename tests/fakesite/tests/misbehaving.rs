use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use fakesite::{Misbehaviour, Page, Site};
use flate2::read::GzDecoder;

use crate::client::{
    PATIENCE, SILENCE, connect, exchange, get, read_all, request, reqwest_client, serve, serve_page,
    wait_for, wait_until,
};

const BODY: &str = "<urlset><url><loc>https://www.example.com/1</loc></url></urlset>";

/// Enough time for a handshake and a request on a busy machine.
const WARM_UP: Duration = Duration::from_secs(2);

fn page(misbehaviour: Misbehaviour) -> Page {
    Page::xml(BODY).misbehaves(misbehaviour)
}

fn is_timeout(error: Option<ErrorKind>) -> bool {
    matches!(error, Some(ErrorKind::WouldBlock | ErrorKind::TimedOut))
}

#[test]
fn never_answers_takes_the_request_and_stays_silent() {
    let server = serve_page(page(Misbehaviour::NeverAnswers));
    let received = exchange(&server, &request("/sitemap.xml", ""), SILENCE);
    assert!(received.bytes.is_empty() && is_timeout(received.error));
    assert_eq!(server.log()[0].status, 0);
    wait_until(|| server.log()[0].ended_us.is_some());
}

#[test]
fn never_answers_over_http2_ends_when_the_client_leaves() {
    let server = serve_page(page(Misbehaviour::NeverAnswers));
    let client = reqwest_client(&server, &["www.example.com"]);
    let url = format!("https://www.example.com:{}/sitemap.xml", server.port());
    let error = wait_for(async { client.get(url).timeout(WARM_UP).send().await }).unwrap_err();
    assert!(error.is_timeout(), "{error:?}");
    assert_eq!(server.log()[0].protocol, "h2");
    wait_until(|| server.log()[0].ended_us.is_some());
}

#[test]
fn slow_first_byte_comes_late_and_whole() {
    let wait = Duration::from_millis(250);
    let server = serve_page(page(Misbehaviour::SlowFirstByte(wait)));
    let start = Instant::now();
    assert_eq!(get(&server, "/sitemap.xml").body(), BODY.as_bytes());
    assert!(start.elapsed() >= wait);
}

#[test]
fn slow_body_comes_in_drops_over_both_versions_of_http() {
    let every = Duration::from_millis(20);
    let server = serve_page(page(Misbehaviour::SlowBody { bytes: 10, every }));
    let start = Instant::now();
    assert_eq!(get(&server, "/sitemap.xml").body(), BODY.as_bytes());
    assert!(start.elapsed() >= every * 6, "64 bytes are seven pieces");

    let client = reqwest_client(&server, &["www.example.com"]);
    let url = format!("https://www.example.com:{}/sitemap.xml", server.port());
    let start = Instant::now();
    assert_eq!(wait_for(async { client.get(url).send().await.unwrap().text().await.unwrap() }), BODY);
    assert!(start.elapsed() >= every * 6);
    assert_eq!(server.log()[1].protocol, "h2");
}

#[test]
fn stalls_after_some_bytes_and_keeps_the_connection() {
    let server = serve_page(page(Misbehaviour::StallsAfter(20)));
    let received = exchange(&server, &request("/sitemap.xml", ""), SILENCE);
    assert_eq!((received.header("content-length").as_deref(), received.body().len()), (Some("64"), 20));
    assert!(is_timeout(received.error));
    assert_eq!(server.log()[0].body_bytes, 20);
}

#[test]
fn drops_after_some_bytes_and_the_connection_with_them() {
    let server = serve_page(page(Misbehaviour::DropsAfter(20)));
    let received = get(&server, "/sitemap.xml");
    assert_eq!((received.header("content-length").as_deref(), received.body().len()), (Some("64"), 20));
    assert_eq!(received.error, None);
}

#[test]
fn resets_the_connection_without_a_word() {
    let server = serve_page(page(Misbehaviour::ResetsConnection));
    let received = get(&server, "/sitemap.xml");
    assert!(received.bytes.is_empty());
    assert_eq!(received.error, Some(ErrorKind::ConnectionReset));
}

#[test]
fn closes_unanswered_without_a_word() {
    let received = get(&serve_page(page(Misbehaviour::ClosesUnanswered)), "/sitemap.xml");
    assert!(received.bytes.is_empty() && received.error.is_none());
}

#[test]
fn lies_about_length_in_both_directions() {
    let site = Site::new()
        .page("/more", page(Misbehaviour::LiesAboutLength(100)))
        .page("/less", page(Misbehaviour::LiesAboutLength(30)));
    let server = serve(site);
    let received = get(&server, "/more");
    assert_eq!((received.header("content-length").as_deref(), received.body().len()), (Some("100"), 64));
    let received = exchange(&server, &request("/less", ""), SILENCE);
    assert_eq!((received.header("content-length").as_deref(), received.body().len()), (Some("30"), 64));
    assert!(is_timeout(received.error), "the connection stays open");
}

#[test]
fn garbage_is_sent_as_it_is() {
    let received = get(&serve_page(page(Misbehaviour::Garbage("\0\x01SSH-2.0\r\n".into()))), "/sitemap.xml");
    assert_eq!(received.bytes, b"\0\x01SSH-2.0\r\n");
}

#[test]
fn a_bare_body_has_no_head() {
    assert_eq!(get(&serve_page(page(Misbehaviour::BareBody)), "/sitemap.xml").bytes, BODY.as_bytes());
}

#[test]
fn headers_interim_responses_and_bodies_go_on_for_ever() {
    const ENOUGH: usize = 3_000_000;
    for (misbehaviour, wanted) in [
        (Misbehaviour::EndlessHeaders, "HTTP/1.1 200 OK\r\nx-and-another: "),
        (Misbehaviour::EndlessInterim, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"),
        (Misbehaviour::EndlessBody, "HTTP/1.1 200 OK\r\n"),
    ] {
        let server = serve_page(page(misbehaviour.clone()));
        let mut stream = connect(&server);
        stream.write_all(request("/sitemap.xml", "").as_bytes()).unwrap();
        let received = read_all(&mut stream, ENOUGH);
        assert!(received.text().starts_with(wanted) && received.bytes.len() >= ENOUGH, "{misbehaviour:?}");
        drop(stream);
        wait_until(|| server.log()[0].ended_us.is_some());
    }
}

#[test]
fn a_huge_header_is_as_large_as_asked_and_ends() {
    let received = get(&serve_page(page(Misbehaviour::HugeHeader(1_000_000))), "/sitemap.xml");
    assert!(received.header("x-huge").unwrap().len() >= 1_000_000);
    assert_eq!(received.body(), b"");
}

#[test]
fn a_flood_of_cookies_precedes_the_page() {
    let received = get(&serve_page(page(Misbehaviour::CookieFlood(500))), "/sitemap.xml");
    assert_eq!(received.text().matches("set-cookie: ").count(), 500);
    assert_eq!(received.body(), BODY.as_bytes());
}

#[test]
fn bad_chunks_have_no_size() {
    let received = get(&serve_page(page(Misbehaviour::BadChunks)), "/sitemap.xml");
    assert!(received.text().contains("transfer-encoding: chunked\r\n\r\nzz\r\n"));
}

#[test]
fn an_extra_response_follows_at_once() {
    let server = serve_page(page(Misbehaviour::ExtraResponse));
    let received = get(&server, "/sitemap.xml");
    assert_eq!(received.text().matches("HTTP/1.1 200 OK").count(), 2);
    assert!(
        received.text().ends_with(
            "content-length: 60\r\n\r\n<urlset><url><loc>http://split.invalid/</loc></url></urlset>"
        )
    );
    assert_eq!(server.log().len(), 1);
}

#[test]
fn a_status_lasts_or_passes() {
    let site = Site::new()
        .page("/gone", page(Misbehaviour::Status(410)))
        .page("/flaky", page(Misbehaviour::StatusThenOk { status: 503, times: 2 }));
    let server = serve(site);
    assert_eq!([(); 3].map(|()| get(&server, "/gone").status()), [410, 410, 410]);
    assert_eq!([(); 3].map(|()| get(&server, "/flaky").status()), [503, 503, 200]);
    let logged: Vec<_> = server.log().iter().map(|entry| entry.status).collect();
    assert_eq!(logged, [410, 410, 410, 503, 503, 200]);
}

#[test]
fn retry_after_is_said_as_often_as_wanted() {
    let date =
        Misbehaviour::RetryAfter { status: 503, value: "Mon, 01 Jun 2026 10:00:00 GMT".to_owned(), times: 1 };
    let site = Site::new().page("/seconds", page(Misbehaviour::retry_after(2))).page("/date", page(date));
    let server = serve(site);
    let received = get(&server, "/seconds");
    assert_eq!((received.status(), received.header("retry-after").as_deref()), (429, Some("2")));
    assert_eq!(get(&server, "/seconds").status(), 200);
    let received = get(&server, "/date");
    assert_eq!(received.status(), 503);
    assert_eq!(received.header("retry-after").as_deref(), Some("Mon, 01 Jun 2026 10:00:00 GMT"));
}

#[test]
fn redirects_lead_where_they_say() {
    let site = Site::new()
        .page("/loop", page(Misbehaviour::RedirectLoop))
        .page("/away", page(Misbehaviour::RedirectsTo("https://other.test/".to_owned())))
        .redirect_chain("/chain", 2, Page::text("there"));
    let server = serve(site);
    let location = |path: &str| {
        let received = get(&server, path);
        assert_eq!(received.status(), 302);
        received.header("location").unwrap()
    };
    assert_eq!(location("/loop"), "http://www.example.com/loop");
    assert_eq!(location("/away"), "https://other.test/");
    assert_eq!(location("/chain"), "/chain/1");
    assert_eq!(location("/chain/1"), "/chain/2");
    assert_eq!(get(&server, "/chain/2").body(), b"there");
}

#[test]
fn a_soft_404_is_html_with_200_for_what_a_site_does_not_have() {
    let server = serve(Site::new().robots("User-agent: *\n").misbehaves(Misbehaviour::HtmlSoft404));
    assert_eq!(get(&server, "/robots.txt").body(), b"User-agent: *\n");
    let received = get(&server, "/sitemap.xml");
    assert_eq!(received.status(), 200);
    assert!(received.header("content-type").unwrap().starts_with("text/html"));
}

#[test]
fn a_gzip_bomb_is_small_on_the_wire_and_as_large_as_asked() {
    let decoded_bytes = 64 << 20;
    let received = get(&serve_page(page(Misbehaviour::GzipBomb { decoded_bytes })), "/sitemap.xml");
    assert_eq!(received.header("content-length").unwrap().parse(), Ok(received.body().len()));
    assert!(received.body().len() < 1 << 20);
    let inflated = std::io::copy(&mut GzDecoder::new(received.body()), &mut std::io::sink()).unwrap();
    assert!(inflated >= decoded_bytes);
    let mut start = String::new();
    GzDecoder::new(received.body()).take(100).read_to_string(&mut start).unwrap();
    assert!(start.contains("<urlset"));
}

#[test]
fn a_misbehaviour_of_the_site_goes_before_its_pages() {
    let server = serve(Site::new().robots("").misbehaves(Misbehaviour::Status(503)));
    assert_eq!(get(&server, "/robots.txt").status(), 503);
    assert_eq!(get(&server, "/anything").status(), 503);
}

#[test]
fn what_breaks_http_is_not_offered_as_http2() {
    let server = serve_page(page(Misbehaviour::DropsAfter(10)));
    let client = reqwest_client(&server, &["www.example.com"]);
    let url = format!("https://www.example.com:{}/sitemap.xml", server.port());
    assert!(wait_for(async { client.get(url).send().await.unwrap().text().await }).is_err());
    assert_eq!(server.log()[0].protocol, "http/1.1");
}

#[test]
fn one_bad_page_does_not_hold_up_the_others() {
    let site = Site::new().page("/bad", page(Misbehaviour::EndlessBody)).page("/good", Page::text("good"));
    let server = serve(site);
    let mut bad = connect(&server);
    bad.write_all(request("/bad", "").as_bytes()).unwrap();
    let mut first = [0; 1];
    bad.read_exact(&mut first).unwrap();
    assert_eq!(exchange(&server, &request("/good", "connection: close\r\n"), PATIENCE).body(), b"good");
}
