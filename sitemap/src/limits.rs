//! Limits on the memory and time that one document may use.

/// Maximum decoded size of a document in bytes: the 50 MB of sitemaps.org, which are 50 MiB (52,428,800 bytes).
/// Applies to every format.
pub const DOCUMENT_BYTES_MAX: u64 = 52_428_800;
/// Maximum size of one token in bytes. A token is a tag, a comment, a CDATA section, a run of text or a line.
pub const TOKEN_BYTES_MAX: usize = 1 << 20;
/// Maximum memory of one entry with its extensions, in bytes.
pub const ENTRY_BYTES_MAX: usize = 2 << 20;
/// Maximum memory that the reader of one document holds between two slices, in bytes. A document that needs more ends
/// there.
pub const MEMORY_BYTES_MAX: usize = 4 << 20;
/// Maximum number of nested elements.
pub const DEPTH_MAX: usize = 100;
/// Maximum length of a `loc` in bytes. Servers do not accept longer URLs.
pub const LOC_BYTES_MAX: usize = 8 << 10;
/// A `loc` must have fewer characters than this (sitemaps.org). Longer ones are kept and reported.
pub const LOC_CHARS_STANDARD: usize = 2_048;
/// Maximum length of a host name in octets (RFC 1035 section 2.3.4, in text form).
pub const HOST_BYTES_MAX: usize = 253;
/// Maximum number of entries that sitemaps.org allows. More are kept, and reported once.
pub const ENTRIES_STANDARD: u64 = 50_000;
/// Maximum number of entries of one document that are also passed on as children, because their URLs are those of
/// sitemaps.
pub const SITEMAP_ENTRIES_MAX: u64 = 100;
/// Maximum number of nested gzip layers that are removed.
pub const GZIP_LAYERS_MAX: usize = 2;
/// Maximum number of members of one gzip stream. Each member costs an allocation. Block-wise compressors need about
/// 800 for 50 MiB.
pub const GZIP_MEMBERS_MAX: usize = 10_000;
/// Maximum number of problems of a document that are passed to the sink. The rest are only counted.
pub const PROBLEMS_MAX: u64 = 100;
/// Maximum number of characters of a document that the text of a problem quotes.
pub const QUOTE_CHARS_MAX: usize = 80;
/// Maximum number of broken tokens in a row, without an entry between them. After more, the document is abandoned.
pub const BROKEN_TOKENS_MAX: u32 = 1_000;
/// Maximum total length of the names of nested elements in bytes. Elements whose names do not fit are skipped.
pub const NAMES_BYTES_MAX: usize = 64 << 10;
/// Maximum number of namespace declarations in scope.
pub const NAMESPACES_MAX: usize = 256;
/// Maximum total length of the prefixes and URIs of the namespace declarations in scope, in bytes.
pub const NAMESPACES_BYTES_MAX: usize = 64 << 10;
/// Maximum number of decoded bytes processed at a time, so that the caller can yield between slices.
pub const SLICE_BYTES: usize = 128 << 10;
/// An XML declaration that does not end within this many bytes is ignored.
pub const DECLARATION_BYTES_MAX: usize = 1 << 10;
/// So many bytes, from the first one beyond ASCII, decide about the encoding of a document.
pub const DECIDING_BYTES: usize = 8 << 10;
/// A text document must have its first URL within this many bytes.
pub const SNIFF_BYTES: usize = 8 << 10;

/// The limits for reading one document. [`Limits::default`] returns the documented values.
///
/// ```
/// use sitemap::{DocumentEnd, Limits};
///
/// let limits = Limits { document_bytes: 30, ..Limits::default() };
/// let base = url::Url::parse("https://example.com/sitemap.txt")?;
/// let body = b"https://example.com/a\nhttps://example.com/b\n";
/// let document = sitemap::read(body, &base, limits, &mut Vec::new());
/// assert_eq!((document.bytes_decoded, document.ended), (30, DocumentEnd::TooLarge));
/// # Ok::<(), url::ParseError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Maximum decoded bytes of the document. Reading stops there and keeps everything before.
    pub document_bytes: u64,
    /// Maximum bytes of one token. A longer one is skipped.
    pub token_bytes: usize,
    /// Maximum bytes of one entry. Parts that do not fit are skipped.
    pub entry_bytes: usize,
    /// Maximum bytes that the reader holds between two slices. Reading stops there and keeps everything before.
    pub memory_bytes: usize,
    /// Maximum number of nested elements. Deeper ones are skipped.
    pub depth: usize,
    /// Maximum bytes of one `loc`. An entry with a longer one is dropped.
    pub loc_bytes: usize,
    /// Maximum number of gzip layers. Further layers are not removed.
    pub layers: usize,
    /// Maximum number of problems passed to the sink. The rest are only counted.
    pub problems: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            document_bytes: DOCUMENT_BYTES_MAX,
            token_bytes: TOKEN_BYTES_MAX,
            entry_bytes: ENTRY_BYTES_MAX,
            memory_bytes: MEMORY_BYTES_MAX,
            depth: DEPTH_MAX,
            loc_bytes: LOC_BYTES_MAX,
            layers: GZIP_LAYERS_MAX,
            problems: PROBLEMS_MAX,
        }
    }
}
