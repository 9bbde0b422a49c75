//! Limits that no command-line flag changes.

use std::time::Duration;

/// Attempts per task. Redirects followed within the host belong to the same attempt.
pub const ATTEMPTS_MAX: u8 = 3;

/// Redirects followed from a task's first URL, including those to other hosts. The target of one more is not requested.
pub const REDIRECTS_MAX: u8 = 10;

/// Redirects followed from a robots.txt, including those to other hosts: the number in RFC 9309 section 2.3.1.2.
pub const ROBOTS_REDIRECTS_MAX: u8 = 5;

/// How long a host's last robots rules are used while its robots.txt is unreachable (RFC 9309 section 2.3.1.4).
pub const ROBOTS_STALE_MAX: Duration = Duration::from_secs(30 * 24 * 3600);

/// Hosts that a task remembers as those whose robots.txt names it. Every child of an index has them too.
pub const NAMED_BY_MAX: usize = 4;

/// The longest URL that is requested, in bytes. The sitemap protocol allows 2,048 characters, but publishers exceed
/// that.
pub const URL_BYTES_MAX: usize = 8 * 1024;

/// The longest host name, in bytes as written in a URL (RFC 1035 section 2.3.4).
pub const HOST_NAME_BYTES_MAX: usize = 253;

/// The longest Retry-After that a run waits for. A host that asks for more is parked.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(120);

/// The longest time that a host is parked, even if its Retry-After asks for more. Otherwise a server's mistake could
/// exclude the host for ever.
pub const PARKED_MAX: Duration = Duration::from_secs(365 * 24 * 3600);
