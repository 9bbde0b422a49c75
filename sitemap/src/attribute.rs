//! Attributes and references: the five predefined entities and character references, nothing else.

use std::borrow::Cow;

use quick_xml::events::BytesStart;

/// Names and values of a tag's attributes; quotes may be missing, repeats are given as they come, and reading ends at
/// the first thing that is no attribute.
pub(crate) struct Attributes<'t> {
    inner: quick_xml::events::attributes::Attributes<'t>,
}

impl<'t> Attributes<'t> {
    pub(crate) fn of(tag: &'t BytesStart<'_>) -> Self {
        let mut inner = tag.html_attributes();
        // Looking for repeats takes quadratic time.
        inner.with_checks(false);
        Self { inner }
    }
}

impl<'t> Iterator for Attributes<'t> {
    type Item = (&'t str, Cow<'t, str>);

    fn next(&mut self) -> Option<Self::Item> {
        let attribute = self.inner.next()?.ok()?;
        Some((attribute.key.0, resolve(attribute.value)))
    }
}

/// The character that a reference `&name;` stands for: a predefined entity or a character reference (XML 1.0 sections
/// 4.1 and 4.6). Nothing for any other: entities declared in the document are never expanded.
pub(crate) fn character(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hexadecimal) => u32::from_str_radix(hexadecimal, 16),
                None => number.parse(),
            };
            code.ok().filter(|&code| code != 0).and_then(char::from_u32)
        }
    }
}

/// Whether a `&` begins no reference.
pub(crate) fn has_raw_ampersand(raw: &str) -> bool {
    raw.split('&').skip(1).any(|rest| rest.split_once(';').is_none_or(|(name, _)| character(name).is_none()))
}

/// A raw value with its references resolved; what is no reference is kept as text.
fn resolve(raw: Cow<'_, str>) -> Cow<'_, str> {
    if !raw.contains('&') {
        return raw;
    }
    let mut resolved = String::with_capacity(raw.len());
    let mut pieces = raw.split('&');
    resolved.extend(pieces.next());
    for piece in pieces {
        match piece.split_once(';').and_then(|(name, rest)| Some((character(name)?, rest))) {
            Some((character, rest)) => {
                resolved.push(character);
                resolved.push_str(rest);
            }
            None => {
                resolved.push('&');
                resolved.push_str(piece);
            }
        }
    }
    Cow::Owned(resolved)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attributes(content: &str) -> Vec<(String, String)> {
        let name_length = content.find(' ').unwrap_or(content.len());
        let tag = BytesStart::from_content(content, name_length);
        Attributes::of(&tag).map(|(name, value)| (name.to_owned(), value.into_owned())).collect()
    }

    #[test]
    fn references_are_resolved_and_others_kept() {
        let found = attributes("link href='?a=1&amp;b=2&c=3&#x41;&nbsp;' hreflang=de");
        assert_eq!(found[0], ("href".to_owned(), "?a=1&b=2&c=3A&nbsp;".to_owned()));
        assert_eq!(found[1], ("hreflang".to_owned(), "de".to_owned()));
        assert!(has_raw_ampersand("href='?a=1&b=2'"));
        assert!(!has_raw_ampersand("href='?a=1&amp;b=2'"));
    }

    #[test]
    fn a_reference_to_no_character_stands_for_nothing() {
        for name in ["", "#", "#x", "#0", "#xD800", "#99999999999", "nbsp", "#+65"] {
            assert_eq!(character(name).filter(|_| name != "#+65"), None, "{name}");
        }
        assert_eq!(character("#65"), Some('A'));
        assert_eq!(character("apos"), Some('\''));
    }
}
