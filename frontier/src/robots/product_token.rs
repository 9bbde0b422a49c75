//! The product token: the name that identifies a crawler in robots.txt.

/// The product token of a User-Agent value: `example-crawler` for `example-crawler/1.2 (+https://a.example/bot)`.
///
/// A value in browser style names its crawler later: `Mozilla/5.0 (compatible; ExampleBot/1.2)` gives `ExampleBot`,
/// since a robots.txt never means the word Mozilla.
pub fn product_token(user_agent: &str) -> &str {
    let user_agent = user_agent.trim();
    let first = leading_token(user_agent);
    if !first.eq_ignore_ascii_case("mozilla") {
        return first;
    }
    let (_, rest) = user_agent
        .split_once("compatible;")
        .or_else(|| user_agent.split_once(char::is_whitespace))
        .unwrap_or_default();
    match leading_token(rest.trim_start()) {
        "" => first,
        named => named,
    }
}

fn leading_token(text: &str) -> &str {
    text.split(|c| !u8::try_from(c).is_ok_and(is_token_octet)).next().unwrap_or_default()
}

/// The token of a user-agent line: the part before a version, a space, a comma or markup.
pub(super) fn token_of_line(value: &[u8]) -> &[u8] {
    value.split(|octet| !is_token_octet(*octet)).next().unwrap_or_default()
}

/// Whether an octet may occur in a product token of a User-Agent header (RFC 9110 section 5.6.2).
///
/// RFC 9309 section 2.2.1 allows only letters, `_` and `-`. Sites nevertheless name crawlers with digits and dots,
/// and with these names cut short, `bot1` would obey the rules for `bot2`.
fn is_token_octet(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&octet)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_and_a_contact_are_no_part_of_the_token() {
        assert_eq!(product_token("sitemap-crawler/1.2 (+https://a.example/bot)"), "sitemap-crawler");
        assert_eq!(product_token("  sitemap-crawler"), "sitemap-crawler");
        assert_eq!(product_token("bot2"), "bot2");
        assert_eq!(product_token("Go!zilla/2.0"), "Go!zilla");
        assert_eq!(product_token("crawlér/1"), "crawl");
    }

    #[test]
    fn a_crawler_that_poses_as_a_browser_has_its_own_token() {
        assert_eq!(
            product_token("Mozilla/5.0 (compatible; ExampleBot/2.1; +https://a.example/)"),
            "ExampleBot"
        );
        assert_eq!(
            product_token("Mozilla/5.0 AppleWebKit/537.36 (like Gecko; compatible; ExampleBot/2.1) Safari"),
            "ExampleBot"
        );
        assert_eq!(product_token("Mozilla examplebot 99.9"), "examplebot");
        assert_eq!(product_token("Mozilla/5.0 (X11; Linux x86_64)"), "Mozilla");
        assert_eq!(product_token("Mozilla/5.0"), "Mozilla");
    }

    #[test]
    fn a_value_without_a_token_has_an_empty_one() {
        for junk in ["", "   ", "(none)", "/1.0", "é"] {
            assert_eq!(product_token(junk), "", "{junk:?}");
        }
    }
}
