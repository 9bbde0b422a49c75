//! A site on loopback with many small sitemaps.

use fakesite::{Page, Server, Site, Web};

/// Serves a site with an index of `sitemaps` sitemaps of `entries` entries each, at a private address without a name.
pub fn serve(sitemaps: usize, entries: usize) -> Server {
    serve_with(sitemaps, entries, |site| site)
}

/// Like [`serve`], with further changes to the site.
pub fn serve_with(sitemaps: usize, entries: usize, change: impl FnOnce(Site) -> Site) -> Server {
    let mut index = String::from("<sitemapindex>");
    let mut site = Site::new();
    for sitemap in 0..sitemaps {
        index += &format!("<sitemap><loc>/{sitemap}.xml</loc></sitemap>");
        let urls: String =
            (0..entries).map(|entry| format!("<url><loc>/{sitemap}/{entry}</loc></url>")).collect();
        site = site.page(&format!("/{sitemap}.xml"), Page::xml(format!("<urlset>{urls}</urlset>")));
    }
    index += "</sitemapindex>";
    let site = site.page("/sitemap.xml", Page::xml(index)).robots("User-agent: *\nAllow: /\n");
    Web::new().host("127.0.0.1", change(site)).serve(Default::default()).unwrap()
}

/// The seed of the site at `server`.
pub fn seed(server: &Server) -> String {
    format!("http://{}/", server.address())
}
