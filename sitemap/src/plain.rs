//! A fast path for the markup that makes up most of a sitemap: plain tags, and elements that contain only plain text.
//!
//! quick-xml examines each byte several times and returns an element as four events. Reading an element at once takes
//! a third of the time. All other markup is left to quick-xml. The tree gets the same calls either way. The property
//! tests compare both paths: in pieces of one byte, hardly any element is complete when it is examined, so quick-xml
//! reads it.

/// A plain tag or element, with the white space before it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Plain<'t> {
    /// White space before the tag.
    pub(crate) space: &'t str,
    /// Name of the tag, which has no attributes.
    pub(crate) name: &'t str,
    pub(crate) shape: Shape<'t>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Shape<'t> {
    /// `<name>`
    Start,
    /// `<name>text</name>`, where the text has no references.
    Leaf(&'t str),
    /// `</name>`
    End,
}

impl<'t> Plain<'t> {
    /// The start of `window`, if it is plain and has no token longer than `token_bytes`.
    pub(crate) fn first_of(window: &'t str, token_bytes: usize) -> Option<Self> {
        let bytes = window.as_bytes();
        let space = bytes.iter().position(|byte| !matches!(byte, b' ' | b'\n' | b'\r' | b'\t'))?;
        let is_end = bytes.get(space + 1) == Some(&b'/');
        let name_start = space + if is_end { 2 } else { 1 };
        let name_length = bytes.get(name_start..)?.iter().position(|byte| !NAME_BYTES[usize::from(*byte)])?;
        let name_end = name_start + name_length;
        let longest = space.max(name_length + "</>".len());
        if bytes[space] != b'<' || name_length == 0 || bytes[name_end] != b'>' || longest > token_bytes {
            return None;
        }
        let shape = if is_end {
            Shape::End
        } else {
            leaf_text(&window[name_end + 1..], &bytes[name_start..name_end])
                .filter(|text| text.len() <= token_bytes)
                .map_or(Shape::Start, Shape::Leaf)
        };
        Some(Self { space: &window[..space], name: &window[name_start..name_end], shape })
    }
}

/// The text at the start of `rest`, if the end tag of `name` follows it.
fn leaf_text<'t>(rest: &'t str, name: &[u8]) -> Option<&'t str> {
    let bytes = rest.as_bytes();
    let length = memchr::memchr2(b'<', b'&', bytes)?;
    let is_closed = bytes[length..].strip_prefix(b"</")?.strip_prefix(name)?.first() == Some(&b'>');
    is_closed.then(|| &rest[..length])
}

/// Whether a byte may occur in the name of a plain tag, by its value. A table, because each byte of each name is
/// checked.
const NAME_BYTES: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < table.len() {
        let value = byte as u8;
        table[byte] = value.is_ascii_alphanumeric() || matches!(value, b':' | b'_');
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_tags_and_elements_are_read() {
        for (window, space, name, shape) in [
            ("<loc>http://a.example/</loc><b>", "", "loc", Shape::Leaf("http://a.example/")),
            ("\n  <image:loc></image:loc>", "\n  ", "image:loc", Shape::Leaf("")),
            (" <url>", " ", "url", Shape::Start),
            ("<url>\n<loc>", "", "url", Shape::Start),
            ("<loc>a&amp;b</loc>", "", "loc", Shape::Start),
            ("<loc>a</locs>", "", "loc", Shape::Start),
            ("<loc>a</loc", "", "loc", Shape::Start),
            ("<loc>aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa</loc>", "", "loc", Shape::Start),
            ("\n</url>x", "\n", "url", Shape::End),
        ] {
            assert_eq!(Plain::first_of(window, 30), Some(Plain { space, name, shape }), "{window}");
        }
    }

    #[test]
    fn other_markup_is_left_to_quick_xml() {
        for window in [
            "",
            " ",
            "<",
            "</",
            "<loc",
            "</loc",
            "<loc a='b'>c</loc>",
            "<loc/>",
            "</loc >",
            "<!--a-->",
            "<?a?>",
            "text",
            "a<b>",
            "<>",
            "</>",
            "<b-c>",
            "<aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa>",
        ] {
            assert_eq!(Plain::first_of(window, 30), None, "{window}");
        }
    }
}
