//! The lower bound for reading a sitemap with quick-xml: a loop over the events of its slice reader that collects the
//! text of `loc` and `lastmod` and keeps nothing.

use std::hint::black_box;

use quick_xml::Reader;
use quick_xml::events::Event;

#[derive(Clone, Copy, PartialEq)]
enum At {
    Elsewhere,
    Loc,
    Lastmod,
}

/// Reads `document` and counts its entries.
pub fn read(document: &str) -> anyhow::Result<usize> {
    let mut reader = Reader::from_str(document);
    let (mut at, mut loc, mut lastmod, mut count) = (At::Elsewhere, String::new(), String::new(), 0);
    loop {
        match reader.read_event()? {
            Event::Start(tag) => {
                at = match tag.name().0 {
                    "loc" => At::Loc,
                    "lastmod" => At::Lastmod,
                    _ => At::Elsewhere,
                }
            }
            Event::Text(text) if at == At::Loc => loc.push_str(&text),
            Event::Text(text) if at == At::Lastmod => lastmod.push_str(&text),
            Event::End(tag) => {
                at = At::Elsewhere;
                if tag.name().0 == "url" {
                    count += 1;
                    black_box((&loc, &lastmod));
                    loc.clear();
                    lastmod.clear();
                }
            }
            Event::Eof => return Ok(count),
            _ => {}
        }
    }
}
