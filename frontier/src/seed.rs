//! One line of a seed file.

use url::Url;

use crate::host::Host;
use crate::normal_url::normalise;
use crate::task::{NewTask, Task, TaskKind};

/// A site or a single sitemap to start from, as one line of a seed file names it.
///
/// ```
/// use frontier::Seed;
///
/// let seed = Seed::parse("example.com  # a site")?.unwrap();
/// assert_eq!(seed.task().task.url, "https://example.com/robots.txt");
/// # Ok::<(), frontier::seed::SeedError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Seed {
    /// The named host.
    pub host: Host,
    /// The normalised URL of the sitemap. `None` for a whole site, which starts with its robots.txt.
    pub sitemap: Option<Url>,
    /// Whether the line had a user name or a password. They are dropped and never sent.
    pub had_credentials: bool,
}

/// Error for a line of a seed file that names nothing to crawl.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("seed {text}: {cause}")]
pub struct SeedError {
    /// The seed, quoted and shortened, without anything that may be credentials.
    pub text: String,
    /// What is wrong with it.
    pub cause: SeedErrorCause,
}

/// What is wrong with a seed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SeedErrorCause {
    /// It contains white space or a control character.
    #[error("contains white space or a control character; write one seed per line")]
    WhiteSpace,
    /// The scheme is neither http nor https.
    #[error("the scheme must be http or https")]
    Scheme,
    /// The host name is missing.
    #[error("the host name is missing")]
    NoHost,
    /// The host name has characters or labels that no host name can have.
    #[error("invalid host name {0:?}")]
    Host(String),
    /// It cannot be parsed as a URL.
    #[error("invalid URL: {0}")]
    Url(#[from] url::ParseError),
    /// The URL is longer than [`crate::bounds::URL_BYTES_MAX`], or its host name longer than
    /// [`crate::bounds::HOST_NAME_BYTES_MAX`].
    #[error("the URL or its host name is too long")]
    TooLong,
}

impl Seed {
    /// Parses one line. Returns `None` if it has only white space or a comment.
    ///
    /// A `#` begins a comment at the start of a line and after white space. A name without a scheme means https. A
    /// path or a query makes the seed a sitemap, except that `/robots.txt` means the whole site.
    pub fn parse(line: &str) -> Result<Option<Self>, SeedError> {
        let text = without_comment(line);
        if text.is_empty() {
            return Ok(None);
        }
        match parse(text) {
            Ok(seed) => Ok(Some(seed)),
            Err(cause) => Err(SeedError { text: redacted(text), cause }),
        }
    }

    /// The first task of the seed: the robots.txt of a site, or the single sitemap. No other sitemaps of a single
    /// sitemap's host are looked for.
    pub fn task(&self) -> NewTask {
        let task = match &self.sitemap {
            Some(url) => Task::new(&self.host, url.as_str(), TaskKind::Sitemap),
            None => Task::new(&self.host, self.host.url("/robots.txt"), TaskKind::Robots),
        };
        NewTask { host: self.host.clone(), task, found_on: None }
    }
}

fn without_comment(line: &str) -> &str {
    let line = line.trim_start_matches('\u{feff}').trim();
    let comment =
        line.char_indices().find(|(at, c)| *c == '#' && line[..*at].ends_with(|c: char| c.is_whitespace()));
    match comment {
        _ if line.starts_with('#') => "",
        Some((at, _)) => line[..at].trim_end(),
        None => line,
    }
}

fn parse(text: &str) -> Result<Seed, SeedErrorCause> {
    if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err(SeedErrorCause::WhiteSpace);
    }
    let (scheme, rest) = text.split_once("://").unwrap_or(("https", text));
    if !["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
        return Err(SeedErrorCause::Scheme);
    }
    // `Url` would take the first segment of the path for the host.
    if rest.is_empty() || rest.starts_with(['/', '\\', '?', '#']) {
        return Err(SeedErrorCause::NoHost);
    }
    let url = Url::parse(&format!("{scheme}://{rest}"))?;
    let had_credentials = !url.username().is_empty() || url.password().is_some();
    if let Some(name) = url.domain().filter(|name| !is_host_name(name)) {
        return Err(SeedErrorCause::Host(name.to_owned()));
    }
    let url = normalise(url).ok_or(SeedErrorCause::TooLong)?;
    let host = Host::of(&url).ok_or(SeedErrorCause::NoHost)?;
    let is_site = url.query().is_none() && matches!(url.path(), "/" | "/robots.txt");
    Ok(Seed { host, sitemap: (!is_site).then_some(url), had_credentials })
}

/// Whether `name` is a valid host name. A list with columns (`1,example.com`) is a likely mistake, and `Url` accepts
/// it.
fn is_host_name(name: &str) -> bool {
    let is_label = |label: &str| {
        let fits = !label.is_empty() && label.len() <= 63;
        fits && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    name.strip_suffix('.').unwrap_or(name).split('.').all(is_label)
}

/// `text` in a form that is safe to show: quoted, shortened, and without the part before an `@`, which may be
/// credentials.
fn redacted(text: &str) -> String {
    const SHOWN_MAX: usize = 100;
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) if !scheme.contains('@') => (format!("{scheme}://"), rest),
        _ => (String::new(), text),
    };
    let shown = match rest.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}***@{host}"),
        None => text.to_owned(),
    };
    // Quoting escapes control characters, which a terminal might interpret.
    match shown.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{:?}…", &shown[..end]),
        None => format!("{shown:?}"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn first_task(line: &str) -> NewTask {
        Seed::parse(line).unwrap().unwrap().task()
    }

    fn error(line: &str) -> String {
        Seed::parse(line).unwrap_err().to_string()
    }

    #[test]
    fn a_site_begins_with_its_robots_txt() {
        for (line, robots) in [
            ("example.com", "https://example.com/robots.txt"),
            ("  Example.COM.\t# a remark", "https://example.com./robots.txt"),
            ("\u{feff}example.com/", "https://example.com/robots.txt"),
            ("http://example.com", "http://example.com/robots.txt"),
            ("HTTP://example.com:80/", "http://example.com/robots.txt"),
            ("example.com:8443", "https://example.com:8443/robots.txt"),
            ("localhost:3000", "https://localhost:3000/robots.txt"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080/robots.txt"),
            ("[::1]:8080", "https://[::1]:8080/robots.txt"),
            ("bücher.example", "https://xn--bcher-kva.example/robots.txt"),
            ("https://example.com/robots.txt", "https://example.com/robots.txt"),
            ("https://example.com/#top", "https://example.com/robots.txt"),
        ] {
            let NewTask { host, task, found_on } = first_task(line);
            assert_eq!((task.url.as_str(), task.kind), (robots, TaskKind::Robots), "{line}");
            assert_eq!(task.id.host, host.id());
            assert_eq!(found_on, None);
        }
    }

    #[test]
    fn a_path_or_a_query_makes_it_a_root_sitemap() {
        for (line, url) in [
            ("example.com/news.xml", "https://example.com/news.xml"),
            ("http://example.com/a/#b # remark", "http://example.com/a/"),
            ("example.com?feed=sitemap", "https://example.com/?feed=sitemap"),
            ("https://example.com/%7ea/../s.xml#x", "https://example.com/s.xml"),
        ] {
            let NewTask { task, .. } = first_task(line);
            assert_eq!((task.url.as_str(), task.kind, task.depth), (url, TaskKind::Sitemap, 0), "{line}");
        }
    }

    #[test]
    fn comments_and_blank_lines_name_nothing() {
        for line in ["", "   ", "\t\r\n", "# a remark", "  #example.com", "\u{feff}# a remark"] {
            assert_eq!(Seed::parse(line), Ok(None), "{line:?}");
        }
    }

    #[test]
    fn an_error_shows_the_seed_and_says_what_is_wrong() {
        for (line, message) in [
            ("ftp://example.com/", r#"seed "ftp://example.com/": the scheme must be http or https"#),
            ("/sitemap.xml", r#"seed "/sitemap.xml": the host name is missing"#),
            ("https://", r#"seed "https://": the host name is missing"#),
            ("http:///a.example", r#"seed "http:///a.example": the host name is missing"#),
            ("1,example.com", r#"seed "1,example.com": invalid host name "1,example.com""#),
            ("a..example", r#"seed "a..example": invalid host name "a..example""#),
            ("example.com:99999", r#"seed "example.com:99999": invalid URL: invalid port number"#),
            ("mailto:me", r#"seed "mailto:me": invalid URL: invalid port number"#),
        ] {
            assert_eq!(error(line), message);
        }
        assert!(error("a.example b.example").contains("white space"));
        assert!(
            error(&format!("example.com/{}", "a".repeat(9000)))
                .ends_with("…: the URL or its host name is too long")
        );
        assert!(error("a.exa\u{1b}[2Jmple").starts_with(r#"seed "a.exa\u{1b}[2Jmple""#));
    }

    #[test]
    fn credentials_are_dropped_and_never_shown() {
        let seed = Seed::parse("https://me:secret@example.com/").unwrap().unwrap();
        assert!(seed.had_credentials);
        assert!(!format!("{seed:?}").contains("secret"));
        for line in [
            "https://me:secret@example.com:x/",
            "me:secret@exa mple.com",
            "ftp://secret@h",
            "secret:x@y://me:secret@h",
        ] {
            assert!(!error(line).contains("secret"), "{}", error(line));
        }
    }

    proptest! {
        #[test]
        fn no_line_makes_it_panic(line in any::<String>()) {
            let _ = Seed::parse(&line);
            let _ = Seed::parse(&format!("http://{line}"));
        }

        #[test]
        fn a_seed_is_the_same_when_its_task_is_sown_again(line in "[a-c]\\.example[/a?#%.2e:8]{0,8}") {
            if let Ok(Some(seed)) = Seed::parse(&line) {
                prop_assert_eq!(Seed::parse(&seed.task().task.url), Ok(Some(seed)));
            }
        }
    }
}
