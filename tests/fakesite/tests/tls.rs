use std::error::Error;
use std::time::{Duration, Instant};

use fakesite::{Misbehaviour, Page, Server, Site, TlsMisbehaviour};

use crate::client::{SILENCE, reqwest_client, serve, wait_for, wait_until};

fn serve_with(misbehaviour: TlsMisbehaviour) -> Server {
    serve(Site::new().page("/", Page::text("hello")).tls_misbehaves(misbehaviour))
}

/// Sends a GET for `/` over TLS. An error is returned as text, including its causes.
fn get(server: &Server, timeout: Option<Duration>) -> Result<String, String> {
    let client = reqwest_client(server, &["www.example.com"]);
    let mut request = client.get(format!("https://www.example.com:{}/", server.port()));
    if let Some(timeout) = timeout {
        request = request.timeout(timeout);
    }
    let answer = wait_for(async { request.send().await?.text().await });
    answer.map_err(|error| {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(inner) = cause {
            text = format!("{text}: {inner}");
            cause = inner.source();
        }
        text
    })
}

#[test]
fn slow_tls_takes_its_time_and_works() {
    let time = Duration::from_millis(250);
    let server = serve_with(TlsMisbehaviour::SlowTls(time));
    let start = Instant::now();
    assert_eq!(get(&server, None).as_deref(), Ok("hello"));
    assert!(start.elapsed() >= time);
}

#[test]
fn certificates_may_be_for_another_name_or_expired_or_from_nobody() {
    let error = |misbehaviour| get(&serve_with(misbehaviour), None).unwrap_err();
    assert!(error(TlsMisbehaviour::WrongName).contains("not valid for"));
    assert!(error(TlsMisbehaviour::Expired).to_lowercase().contains("expired"));
    assert!(error(TlsMisbehaviour::SelfSigned).contains("UnknownIssuer"));
}

#[test]
fn a_handshake_may_be_garbage_or_reset() {
    for misbehaviour in [TlsMisbehaviour::Garbage, TlsMisbehaviour::ResetsConnection] {
        let server = serve_with(misbehaviour);
        assert!(get(&server, None).is_err());
        assert_eq!(server.connections()[0].server_name.as_deref(), Some("www.example.com"));
        assert!(server.log().is_empty());
    }
}

#[test]
fn a_host_that_hangs_does_not_even_answer_the_hello() {
    for site in [
        Site::new().misbehaves(Misbehaviour::NeverAnswers),
        Site::new().tls_misbehaves(TlsMisbehaviour::NeverAnswers),
    ] {
        let server = serve(site);
        assert!(get(&server, Some(SILENCE)).is_err());
        assert!(server.log().is_empty());
        wait_until(|| server.connections().iter().all(|connection| connection.closed_us.is_some()));
    }
}
