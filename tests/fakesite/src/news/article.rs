//! Generated articles: their URLs, titles and dates.

use std::fmt::{self, Write};

use crate::stable_hash::Dice;

/// The format of a host's URLs and of its `lastmod`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// `/2026/06/14/politics/words-and-more-words-1200345/index.html`, lastmod to the second in UTC.
    Dated,
    /// `/politics/words-and-more-words-1200345`, lastmod as a date.
    Section,
    /// `/story/politics/2026-06-14/words-and-more-words-1200345.html`, lastmod with an offset.
    Html,
}

/// A month of a year.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Month {
    year: u32,
    /// 1 to 12.
    month: u32,
}

impl Month {
    /// The month of the newest articles.
    pub(super) const LATEST: Self = Self { year: 2026, month: 6 };

    pub(super) fn before(self, months: u32) -> Self {
        let since_zero = self.year * 12 + self.month - 1 - months;
        Self { year: since_zero / 12, month: since_zero % 12 + 1 }
    }
}

/// `2026-06`.
impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

/// One article.
pub(super) struct Article {
    pub(super) url: String,
    pub(super) title: String,
    /// `2026-06-14`.
    pub(super) date: String,
    /// Formatted as in the sitemaps of the host.
    pub(super) lastmod: String,
    pub(super) section: &'static str,
    dice: Dice,
}

/// Words are added to a slug until it has this many bytes.
const SLUG_BYTES_MIN: usize = 30;

impl Article {
    /// The article number `number` of the document number `document`.
    pub(super) fn new(host: &str, style: Style, document: u32, month: Month, number: u32) -> Self {
        let id = u64::from(document) * 100_000 + u64::from(number);
        let seed = host.bytes().fold(id, |seed, byte| seed.wrapping_mul(257) + u64::from(byte));
        let mut dice = Dice::new(seed);
        let section = dice.pick(SECTIONS);
        let date = format!("{month}-{:02}", 1 + dice.below(28));
        let (slug, title) = words(&mut dice);
        let slashed = date.replace('-', "/");
        // An id of seven digits, as on real sites, makes the URLs of a host unique.
        let id = 1_000_000 + id;
        let url = match style {
            Style::Dated => format!("https://{host}/{slashed}/{section}/{slug}-{id}/index.html"),
            Style::Section => format!("https://{host}/{section}/{slug}-{id}"),
            Style::Html => format!("https://{host}/story/{section}/{date}/{slug}-{id}.html"),
        };
        let (hour, minute, second) = (dice.below(24), dice.below(60), dice.below(60));
        let lastmod = match style {
            Style::Dated => format!("{date}T{hour:02}:{minute:02}:{second:02}Z"),
            Style::Section => date.clone(),
            Style::Html => format!("{date}T{hour:02}:{minute:02}:{second:02}.{:03}-04:00", dice.below(1000)),
        };
        Self { url, title, date, lastmod, section, dice }
    }

    /// The next pseudorandom number below `sides` of this article.
    pub(super) fn below(&mut self, sides: u64) -> u64 {
        self.dice.below(sides)
    }

    /// A few words in lower case, as for keywords or a caption.
    pub(super) fn phrase(&mut self, separator: &str) -> String {
        let [a, b, c] = [(); 3].map(|()| self.dice.pick(WORDS));
        [a, b, c].join(separator)
    }
}

/// A slug and its title. Titles contain characters that XML must escape or encode: `&`, quotes, non-ASCII letters.
fn words(dice: &mut Dice) -> (String, String) {
    let mut slug = String::with_capacity(48);
    let mut title = String::with_capacity(64);
    while slug.len() < SLUG_BYTES_MIN {
        let word = dice.pick(WORDS);
        if !slug.is_empty() {
            slug.push('-');
            title.push_str(if dice.below(40) == 0 { " & " } else { " " });
        }
        slug.push_str(word);
        title.push_str(word.get(..1).unwrap_or_default().to_ascii_uppercase().as_str());
        title.push_str(word.get(1..).unwrap_or_default());
    }
    match dice.below(12) {
        0 => title.push_str(" – what we know"),
        1 => title.push_str(": “a très long day”"),
        2 => title.push_str("’s \"quiet\" year"),
        _ => {}
    }
    (slug, title)
}

/// Appends text to `out` and escapes the characters that XML requires to be escaped.
pub(super) fn escape(text: &str, out: &mut String) {
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            other => {
                // Writing to a string cannot fail.
                let _ = out.write_char(other);
            }
        }
    }
}

#[rustfmt::skip]
const SECTIONS: &[&str] = &[
    "world", "politics", "business", "health", "science", "technology", "culture", "sport", "opinion",
    "travel", "climate", "education", "markets", "europe", "africa", "asia",
];

#[rustfmt::skip]
const WORDS: &[&str] = &[
    "after", "ahead", "airport", "alliance", "appeal", "archive", "autumn", "ballot", "bridge", "budget",
    "calls", "campaign", "capital", "central", "chief", "climate", "coast", "concert", "council", "court",
    "debate", "decision", "delayed", "derby", "doctors", "early", "economy", "election", "energy",
    "evening", "exports", "factory", "farmers", "festival", "final", "flood", "forecast", "forest",
    "garden", "global", "governor", "growth", "harbor", "harvest", "hearing", "history", "hospital",
    "housing", "inquiry", "island", "journal", "judge", "labor", "leaders", "library", "market", "mayor",
    "measure", "minister", "museum", "national", "negotiators", "network", "northern", "novel", "office",
    "orchestra", "parliament", "pension", "pilot", "players", "policy", "port", "prices", "protest",
    "railway", "record", "reform", "report", "rescue", "residents", "review", "river", "school", "season",
    "senate", "service", "southern", "spring", "station", "storm", "strike", "students", "summer", "summit",
    "supply", "talks", "teachers", "theater", "tourism", "trade", "traffic", "treaty", "union", "vaccine",
    "valley", "verdict", "village", "voters", "water", "weather", "winter", "workers",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_have_the_length_that_real_ones_have() {
        for style in [Style::Dated, Style::Section, Style::Html] {
            for number in 0..2_000 {
                let article = Article::new("www.chicagotribune.com", style, 71, Month::LATEST, number);
                assert!((60..=120).contains(&article.url.len()), "{}", article.url);
            }
        }
    }

    #[test]
    fn an_article_is_the_same_each_time() {
        let one = Article::new("www.cnn.com", Style::Dated, 3, Month::LATEST, 14);
        let two = Article::new("www.cnn.com", Style::Dated, 3, Month::LATEST, 14);
        assert_eq!((one.url, one.title, one.lastmod), (two.url, two.title, two.lastmod));
    }

    #[test]
    fn the_month_before_january_is_december() {
        assert_eq!(Month::LATEST.before(6).to_string(), "2025-12");
    }
}
