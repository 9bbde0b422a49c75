//! The bounds that no flag changes.

use std::time::Duration;

/// Requests of a URL. Redirects followed in place belong to the try that met them.
pub const TRIES_MAX: u8 = 3;

/// Redirects followed from a task's first URL, over hosts too. The target of one more is not asked.
pub const REDIRECTS_MAX: u8 = 10;

/// Redirects followed from a robots.txt, over hosts too: exactly what RFC 9309 section 2.3.1.2 asks for.
pub const ROBOTS_REDIRECTS_MAX: u8 = 5;

/// How long the last rules of a host stand in for a robots.txt that cannot be had (RFC 9309 section 2.3.1.4).
pub const ROBOTS_STALE_MAX: Duration = Duration::from_secs(30 * 24 * 3600);

/// The longest URL that is asked, in bytes. The protocol allows 2,048 characters; publishers go beyond.
pub const URL_BYTES_MAX: usize = 8 * 1024;

/// The longest host name, in bytes as they stand in a URL (RFC 1035 section 2.3.4).
pub const HOST_NAME_BYTES_MAX: usize = 253;

/// The longest wait of a Retry-After that is waited for within a run; for a longer one the host is parked.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(120);

/// The longest a host is parked, whatever its Retry-After says: a slip of the server must not shut it out for ever.
pub const PARKED_MAX: Duration = Duration::from_secs(365 * 24 * 3600);
