//! The ceilings: what one document may cost, each with its name.

/// Decoded bytes of a document: the 50 MB of sitemaps.org, which means 50 MiB and holds for every format.
pub const DOCUMENT_BYTES_MAX: u64 = 52_428_800;
/// Bytes of one token: a tag, a comment, a CDATA section, a run of text, a line.
pub const TOKEN_BYTES_MAX: usize = 1 << 20;
/// Bytes held for one entry, its extensions included.
pub const ENTRY_BYTES_MAX: usize = 8 << 20;
/// Elements open at once.
pub const DEPTH_MAX: usize = 100;
/// Bytes of a `loc` that is kept; no server takes longer ones.
pub const LOC_BYTES_MAX: usize = 8 << 10;
/// Characters of a `loc` that sitemaps.org allows; longer ones are kept and noted.
pub const LOC_CHARS_STANDARD: usize = 2_048;
/// Octets of a host name (RFC 1035 section 2.3.4, as text).
pub const HOST_BYTES_MAX: usize = 253;
/// Entries of a document that sitemaps.org allows; more are kept and noted once.
pub const ENTRIES_STANDARD: u64 = 50_000;
/// Layers of gzip that are taken off.
pub const GZIP_LAYERS_MAX: usize = 2;
/// Members of one gzip stream; each costs an allocation, and block-wise compressors need about 800 for 50 MiB.
pub const GZIP_MEMBERS_MAX: usize = 10_000;
/// Problems of a document that are handed out in words; the rest are counted.
pub const PROBLEMS_MAX: u64 = 100;
/// Characters of a document that a problem's text quotes.
pub const QUOTE_CHARS_MAX: usize = 80;
/// Broken tokens in a row, without an entry between them, after which a document is given up.
pub const BROKEN_TOKENS_MAX: u32 = 1_000;
/// Namespace declarations in force at once.
pub const NAMESPACES_MAX: usize = 256;
/// Decoded bytes handled at a time, so that the caller can yield between slices.
pub const SLICE_BYTES: usize = 128 << 10;
/// Bytes in which an XML declaration must end to be looked at.
pub const DECLARATION_BYTES_MAX: usize = 1 << 10;
/// Bytes in which a text document must show its first URL.
pub const SNIFF_BYTES: usize = 8 << 10;

/// The ceilings of one reading; [`Limits::default`] gives the documented ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Decoded bytes of the document; reading stops there and keeps what came before.
    pub document_bytes: u64,
    /// Bytes of one token; a longer one is left out.
    pub token_bytes: usize,
    /// Bytes of one entry; what exceeds them is left out of the entry.
    pub entry_bytes: usize,
    /// Elements open at once; deeper ones are left out.
    pub depth: usize,
    /// Bytes of one `loc`; an entry with a longer one is dropped.
    pub loc_bytes: usize,
    /// Layers of gzip; a further one is left as it is.
    pub layers: usize,
    /// Problems handed to the sink; the rest are counted only.
    pub problems: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            document_bytes: DOCUMENT_BYTES_MAX,
            token_bytes: TOKEN_BYTES_MAX,
            entry_bytes: ENTRY_BYTES_MAX,
            depth: DEPTH_MAX,
            loc_bytes: LOC_BYTES_MAX,
            layers: GZIP_LAYERS_MAX,
            problems: PROBLEMS_MAX,
        }
    }
}
