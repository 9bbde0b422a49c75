use fakesite::ServeOptions;
use fakesite::plain::{Options, host_name, loc, seeds, web};

use crate::client::{PATIENCE, exchange};

#[test]
fn every_host_has_an_index_of_sitemaps_with_as_many_entries_as_asked() {
    let options = Options { hosts: 3, sitemaps: 2, entries: 5 };
    let server = web(options).serve(ServeOptions::default()).unwrap();
    let get = |host: &str, path: &str| {
        exchange(
            &server,
            &format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n"),
            PATIENCE,
        )
    };
    let (mut sitemaps, mut entries) = (0, 0);
    for host in seeds(options).lines() {
        assert!(get(host, "/robots.txt").text().contains(&format!("Sitemap: https://{host}/sitemap.xml\n")));
        let index = get(host, "/sitemap.xml").text();
        sitemaps += 1 + index.matches("<loc>").count() as u64;
        for n in 0..options.sitemaps {
            assert!(index.contains(&format!("<loc>https://{host}/sitemap-{n}.xml</loc>")));
            let urlset = get(host, &format!("/sitemap-{n}.xml")).text();
            assert!(urlset.contains(&loc(host, n, 4)));
            entries += urlset.matches("<loc>").count() as u64;
        }
        assert_eq!(get(host, "/sitemap-2.xml").status(), 404);
    }
    assert_eq!((sitemaps, entries), (options.sitemaps_in_all(), options.entries_in_all()));
    assert_eq!(get(&host_name(3), "/robots.txt").status(), 404);
}
