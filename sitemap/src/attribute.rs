//! The attributes of a tag, and references: the five predefined entities, character references, and the named characters
//! of HTML, which XML does not have.

use std::borrow::Cow;

use quick_xml::escape::resolve_html5_entity;
use quick_xml::events::BytesStart;

/// Iterator over the names and values of a tag's attributes.
///
/// Values may be unquoted. Repeated attributes are all returned. Iteration ends at the first syntax error.
pub(crate) struct Attributes<'t> {
    inner: quick_xml::events::attributes::Attributes<'t>,
}

impl<'t> Attributes<'t> {
    pub(crate) fn of(tag: &'t BytesStart<'_>) -> Self {
        let mut inner = tag.html_attributes();
        // The check for repeated attributes takes quadratic time.
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
/// 4.1 and 4.6). `None` for any other name: entities declared in the document are never expanded.
pub(crate) fn referenced_character(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = name.strip_prefix('#')?;
            let (digits, radix) = match number.strip_prefix(['x', 'X']) {
                Some(hexadecimal) => (hexadecimal, 16),
                None => (number, 10),
            };
            // `from_str_radix` accepts a leading `+`, XML does not.
            if digits.starts_with('+') {
                return None;
            }
            u32::from_str_radix(digits, radix).ok().filter(|&code| code != 0).and_then(char::from_u32)
        }
    }
}

/// The characters of a reference `&name;` to a named character of HTML.
pub(crate) fn html_characters(name: &str) -> Option<&'static str> {
    resolve_html5_entity(name)
}

/// Whether `raw` contains a `&` that starts no reference, and whether it contains a reference to a named character of
/// HTML.
pub(crate) fn odd_references(raw: &str) -> (bool, bool) {
    let (mut has_raw_ampersand, mut has_html) = (false, false);
    for rest in raw.split('&').skip(1) {
        match rest.split_once(';') {
            Some((name, _)) if referenced_character(name).is_some() => {}
            Some((name, _)) if html_characters(name).is_some() => has_html = true,
            _ => has_raw_ampersand = true,
        }
    }
    (has_raw_ampersand, has_html)
}

/// Resolves the references in a raw value. Anything that is not a valid reference is kept as text.
fn resolve(raw: Cow<'_, str>) -> Cow<'_, str> {
    if !raw.contains('&') {
        return raw;
    }
    let mut resolved = String::with_capacity(raw.len());
    let mut pieces = raw.split('&');
    resolved.extend(pieces.next());
    for piece in pieces {
        let (name, rest) = piece.split_once(';').unwrap_or_default();
        if let Some(character) = referenced_character(name) {
            resolved.push(character);
            resolved.push_str(rest);
        } else if let Some(characters) = html_characters(name) {
            resolved.push_str(characters);
            resolved.push_str(rest);
        } else {
            resolved.push('&');
            resolved.push_str(piece);
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
        let found = attributes("link href='?a=1&amp;b=2&c=3&#x41;&none;&eacute;' hreflang=de");
        assert_eq!(found[0], ("href".to_owned(), "?a=1&b=2&c=3A&none;é".to_owned()));
        assert_eq!(found[1], ("hreflang".to_owned(), "de".to_owned()));
        assert_eq!(odd_references("href='?a=1&b=2'"), (true, false));
        assert_eq!(odd_references("href='?a=1&amp;b=2'"), (false, false));
        assert_eq!(odd_references("href='?a=1&#+65;'"), (true, false));
        assert_eq!(odd_references("href='&eacute;' title='&x;'"), (true, true));
        let signed = attributes("link href='?a=&#+65;&#x+41;&#65;'");
        assert_eq!(signed[0].1, "?a=&#+65;&#x+41;A");
    }

    #[test]
    fn invalid_references_are_refused() {
        for name in ["", "#", "#x", "#0", "#xD800", "#99999999999", "nbsp"] {
            assert_eq!(referenced_character(name), None, "{name}");
        }
        for name in ["#+65", "#-65", "#x+41", "#X+41", "#+x41", "# 65", "#x 41", "#6_5", "#x-41"] {
            assert_eq!(referenced_character(name), None, "{name}");
        }
        assert_eq!(referenced_character("#65"), Some('A'));
        assert_eq!(referenced_character("apos"), Some('\''));
    }
}
