//! Private addresses are refused before any connection, in every spelling and from every source.

use std::net::{IpAddr, TcpListener};

use fakesite::{Misbehaviour, NameServer, Page, ServeOptions, Server, Site, Web};

use serde_json::json;

use super::run::{Run, expect, index, urlset};

/// Spellings of non-public addresses that a URL may contain.
const SPELLINGS: [&str; 40] = [
    // Loopback: dotted, decimal, octal, hexadecimal, short, mixed, with a final dot, with other Unicode digits and
    // dots.
    "127.0.0.1",
    "2130706433",
    "017700000001",
    "0177.0.0.1",
    "0x7f000001",
    "0x7f.1",
    "127.1",
    "127.0.1",
    "0177.0x0.1",
    "127.0.0.1.",
    "127.255.255.254",
    "\u{ff11}\u{ff12}\u{ff17}.0.0.1",
    "127\u{3002}0\u{3002}0\u{3002}1",
    "%31%32%37.0.0.1",
    "0.0.0.0",
    "0",
    // Loopback in IPv6: mapped, compatible, translated, NAT64, 6to4, Teredo.
    "[::1]",
    "[::]",
    "[0:0:0:0:0:0:0:1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::ffff:0:127.0.0.1]",
    "[::127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b:1::7f00:1]",
    "[2002:7f00:1::]",
    "[2001:0:1:2:3:4:80ff:fffe]",
    // Cloud metadata, link-local, private, shared, unique local, multicast, reserved.
    "169.254.169.254",
    "2852039166",
    "[::ffff:a9fe:a9fe]",
    "[64:ff9b::169.254.169.254]",
    "[fe80::1]",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.0.1",
    "100.64.0.1",
    "[fd00:ec2::254]",
    "224.0.0.1",
    "[ff02::1]",
    "255.255.255.255",
];

/// Crawls with only the connections to `a.example` redirected to the server.
fn crawl_of_a(run: &Run, flags: &[&str]) {
    let mut command = run.command(&["--rate", "0", "--timeout", "5", "--seed", "http://a.example"]);
    command.args(["--connect-to", &format!("a.example:80:{}", run.server.address())]).args(flags);
    expect(command, 0);
}

/// Serves a web whose documents contain the port that they are served on.
fn served_on_a_port_it_knows(web: impl Fn(u16) -> Web) -> Server {
    loop {
        let free = Web::new().serve(ServeOptions::default()).unwrap().port();
        // Another process may take the port first.
        if let Ok(server) = web(free).serve(ServeOptions { port: free, ..ServeOptions::default() }) {
            return server;
        }
    }
}

/// Checks that only `a.example` was requested, and that all other hosts, `hosts` in number, were blocked.
fn assert_all_blocked(run: &Run, hosts: usize) {
    let log = run.server.log();
    assert!(log.iter().all(|request| request.host == "a.example"), "{log:?}");
    let connected = run.server.connections().len();
    let used: std::collections::HashSet<_> = log.iter().map(|request| request.connection_id).collect();
    assert_eq!(connected, used.len(), "every connection served a request of a.example");
    let report = run.report();
    let others =
        report["hosts"].as_object().unwrap().iter().filter(|(origin, _)| *origin != "http://a.example");
    let mut blocked = 0;
    for (origin, host) in others {
        assert!(host["errors"]["blocked_address"].as_u64() >= Some(1), "{origin}: {host}");
        assert_eq!(host["complete"], false, "{origin}: {host}");
        blocked += 1;
    }
    assert_eq!(blocked, hosts, "{report}");
}

#[test]
fn no_spelling_of_a_private_address_in_a_document_or_a_redirect_leads_to_a_connection() {
    let web = |port: u16| {
        let urls: Vec<String> = SPELLINGS.iter().map(|name| format!("http://{name}:{port}/s.xml")).collect();
        let hops: Vec<String> = (0..urls.len()).map(|n| format!("http://a.example/hop-{n}.xml")).collect();
        let children: Vec<&str> = urls.iter().chain(&hops).map(String::as_str).collect();
        let mut site = Site::new()
            .robots(format!("Sitemap: http://a.example/index.xml\nSitemap: http://[::1]:{port}/named.xml\n"))
            .page("/index.xml", Page::xml(index(&children)));
        for (n, url) in urls.into_iter().enumerate() {
            site = site
                .page(&format!("/hop-{n}.xml"), Page::status(302).misbehaves(Misbehaviour::RedirectsTo(url)));
        }
        Web::new().host("a.example", site)
    };
    let run = Run::on(served_on_a_port_it_knows(web), &[]);
    crawl_of_a(&run, &[]);
    let spelled: std::collections::HashSet<String> = SPELLINGS
        .iter()
        .map(|name| url::Url::parse(&format!("http://{name}")).unwrap().host_str().unwrap().to_owned())
        .collect();
    assert_all_blocked(&run, spelled.len());
    assert_eq!(run.server.log().len(), 2 + SPELLINGS.len(), "robots.txt, the index and the redirects");
}

#[test]
fn an_address_with_a_zone_is_no_url() {
    let children = ["http://[fe80::1%25eth0]/s.xml", "http://[fe80::1%eth0]/s.xml"];
    let site = Site::new()
        .robots("Sitemap: http://a.example/index.xml\n")
        .page("/index.xml", Page::xml(index(&children)));
    let run = Run::of(Web::new().host("a.example", site), &["http://a.example"]);
    run.crawl();
    assert_eq!(run.report()["hosts"]["http://a.example"]["errors"]["bad_url"], 2);
    assert_eq!(run.server.log().len(), 2);
}

#[test]
fn every_address_that_a_name_resolves_to_is_checked_at_every_hop() {
    let answers: [(&str, &[&str]); 9] = [
        ("loopback.example", &["127.0.0.1"]),
        ("loopback6.example", &["::1"]),
        ("mapped.example", &["::ffff:127.0.0.1"]),
        ("nat64.example", &["64:ff9b::7f00:1"]),
        ("metadata.example", &["169.254.169.254"]),
        ("unspecified.example", &["0.0.0.0"]),
        // One private address among public ones is enough to block the host.
        ("second.example", &["93.184.215.14", "10.0.0.1"]),
        ("second6.example", &["2606:4700::1111", "fd00::1"]),
        ("other-kind.example", &["93.184.215.14", "::1"]),
    ];
    let names = NameServer::answering(move |name, _| {
        let found = answers.iter().find(|(known, _)| *known == name);
        found.map_or(Vec::new(), |(_, texts)| {
            texts.iter().map(|text| text.parse::<IpAddr>().unwrap()).collect()
        })
    })
    .unwrap();
    let web = |port| {
        let mut robots = String::new();
        let mut site = Site::new();
        for (n, (name, _)) in answers.iter().enumerate() {
            let url = format!("http://{name}:{port}/s.xml");
            robots.push_str(&format!("Sitemap: {url}\nSitemap: http://a.example/hop-{n}.xml\n"));
            let hop = Page::status(302).misbehaves(Misbehaviour::RedirectsTo(url));
            site = site.page(&format!("/hop-{n}.xml"), hop);
        }
        Web::new().host("a.example", site.robots(robots))
    };
    let run = Run::on(served_on_a_port_it_knows(web), &[]);
    crawl_of_a(&run, &["--resolver", &names.address().to_string()]);
    assert_all_blocked(&run, answers.len());
}

/// DNS rebinding: a name that is resolved once for the check and again for the connection can give another address the
/// second time.
#[test]
fn a_name_is_looked_up_once_for_a_connection_so_rebinding_it_gains_nothing() {
    let names = NameServer::answering(|_, nth| {
        let address = if nth == 1 { "127.0.0.1" } else { "127.0.0.2" };
        vec![address.parse().unwrap()]
    })
    .unwrap();
    let site = Site::new().page("/sitemap.xml", Page::xml(urlset(&["http://a.example/1"])));
    let run = Run::on(Web::new().host("rebinds.example", site).serve(ServeOptions::default()).unwrap(), &[]);
    let seed = format!("http://rebinds.example:{}", run.server.port());
    let resolver = names.address().to_string();
    let flags = ["--rate", "0", "--seed", &seed, "--resolver", &resolver, "--allow-private"];
    expect(run.command(&flags), 0);
    assert_eq!(run.locs(), ["http://a.example/1"]);
    let asked = |is_v6| names.queries().iter().filter(|query| query.is_v6 == is_v6).count();
    assert_eq!((asked(false), run.server.connections().len()), (1, 1), "{:?}", names.queries());
    assert!(asked(true) <= 1, "{:?}", names.queries());
}

#[test]
fn what_was_blocked_is_asked_when_private_addresses_are_allowed_later() {
    let names = NameServer::answering(|_, _| vec![[127, 0, 0, 1].into()]).unwrap();
    let web = |port| {
        let inner = format!("inner.example:{port}");
        let a = Site::new().robots(format!("Sitemap: http://{inner}/s.xml\n"));
        let page = Page::xml(urlset(&["http://a.example/1"]));
        Web::new().host("a.example", a).host(&inner, Site::new().page("/s.xml", page))
    };
    let run = Run::on(served_on_a_port_it_knows(web), &[]);
    let resolver = names.address().to_string();
    crawl_of_a(&run, &["--resolver", &resolver]);
    assert_all_blocked(&run, 1);
    let flags = ["resume", "--retry-failed", "--allow-private", "--rate", "0", "--resolver", &resolver];
    expect(run.command(&flags), 0);
    assert_eq!(run.locs(), ["http://a.example/1"]);
}

/// Ports of other protocols that need no privilege.
const BAD_PORTS: [u16; 10] = [6669, 6668, 6667, 6666, 6665, 6566, 10080, 9300, 11211, 27017];

/// A listener on a port of another protocol. It answers nothing.
fn listen_on_a_bad_port() -> (TcpListener, u16) {
    let free = BAD_PORTS.iter().find_map(|port| Some((TcpListener::bind(("127.0.0.1", *port)).ok()?, *port)));
    let (listener, port) = free.unwrap();
    listener.set_nonblocking(true).unwrap();
    (listener, port)
}

#[test]
fn a_port_of_another_protocol_gets_a_connection_only_if_a_seed_names_it() {
    let (listener, port) = listen_on_a_bad_port();
    let bad = format!("http://127.0.0.1:{port}");
    let children = [format!("{bad}/s.xml"), "/moved.xml".to_owned()];
    let site = Site::new()
        .page("/sitemap.xml", Page::xml(index(&[&children[0], &children[1]])))
        .page("/moved.xml", Page::status(302).header("location", format!("{bad}/moved.xml")))
        .page("/robots.txt", Page::status(404));
    let run = Run::of(Web::new().host("127.0.0.1", site), &[]);
    let crawl = |seed: &str, flags: &[&str]| {
        let mut command = run.command(flags);
        command.args(["--seed", seed, "--allow-private", "--rate", "0", "--timeout", "1"]);
        command.output().unwrap()
    };
    let said = crawl(&format!("http://{}", run.server.address()), &[]);
    let report = run.report();
    assert_eq!(report["hosts"][&bad]["errors"], json!({"blocked_port": 2}), "{report} {said:?}");
    assert_eq!(report["hosts"][&bad]["requests"], 1, "only robots.txt, and it is not tried again: {report}");
    assert_eq!(listener.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);

    let said = crawl(&bad, &[]);
    assert!(listener.accept().is_ok(), "a seed names the port: {said:?}");
}
