//! Checks entries and children before they reach the sink, and counts and limits problems.

use std::collections::VecDeque;

use jiff::Timestamp;
use url::Url;

use crate::bad_bytes::BadBytesQueue;
use crate::child::Child;
use crate::document_kind::DocumentKind;
use crate::draft::Draft;
use crate::entry::{Entry, is_changefreq, is_priority};
use crate::lastmod;
use crate::limits::{ENTRIES_STANDARD, LOC_CHARS_STANDARD, Limits, SITEMAP_ENTRIES_MAX};
use crate::loc::{self, Loc, LocError};
use crate::problem::{Problem, ProblemCounts, ProblemKind, quote};
use crate::sink::Sink;
use crate::video::Video;

/// Counts for the document so far.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) entries: u64,
    pub(crate) children: u64,
    /// Entries that were passed on as children too.
    sitemap_entries: u64,
    pub(crate) problems: ProblemCounts,
    /// Invalid bytes in text that is not parsed yet.
    pub(crate) bad_bytes: BadBytesQueue,
    /// What to say about each entry of `bad_bytes` with a count of 0: a label of the encoding was wrong.
    pub(crate) encoding_notes: VecDeque<String>,
}

/// Receives the results of the format parsers, checks them and passes them to the sink.
pub(crate) struct Output<'o, S> {
    pub(crate) sink: &'o mut S,
    pub(crate) tally: &'o mut Tally,
    pub(crate) base: &'o Url,
    pub(crate) limits: &'o Limits,
}

impl<S: Sink> Output<'_, S> {
    /// Counts a problem, and passes it to the sink unless there were too many. `text` is called only in that case.
    pub(crate) fn problem(&mut self, kind: ProblemKind, offset: u64, text: impl FnOnce() -> String) {
        self.tally.problems.add(kind);
        if self.tally.problems.total() <= self.limits.problems {
            self.sink.problem(Problem { kind, offset, text: text() });
        }
    }

    /// Notes that the document is parsed up to `offset`, and reports the invalid bytes before it.
    ///
    /// Invalid bytes are found by the decoder, ahead of the parser. Reporting them only here makes the order of
    /// problems independent of how the document is cut into pieces.
    #[inline]
    pub(crate) fn advance_to(&mut self, offset: u64) {
        if !self.tally.bad_bytes.is_empty() {
            self.report_bad_bytes(offset);
        }
    }

    fn report_bad_bytes(&mut self, offset: u64) {
        while let Some(bad) = self.tally.bad_bytes.pop_before(offset) {
            if bad.count == 0 {
                let note = self.tally.encoding_notes.pop_front().unwrap_or_default();
                self.problem(ProblemKind::WrongEncoding, bad.at, || note);
                continue;
            }
            self.problem(ProblemKind::BadEncoding, bad.at, || {
                format!("{} invalid byte(s), replaced with U+FFFD", bad.count)
            });
        }
    }

    /// Passes the drafted entry of a document of this kind to the sink, or reports why it is dropped.
    pub(crate) fn entry(&mut self, draft: &Draft, kind: DocumentKind) {
        let Some(published) = self.published_loc(draft, "entry") else { return };
        let Some(loc) = self.valid_loc(published, draft) else { return };
        let lastmod_at = self.instant(draft);
        let mut entry = Entry { loc: as_text(&loc), lastmod_at, ..draft.entry() };
        let outcomes = self.check_links(&mut entry, draft);
        apply_outcomes(&outcomes, &mut entry);
        self.check_hints(&entry, draft.offset);
        self.sink.entry(&entry);
        self.tally.entries += 1;
        self.check_count(self.tally.entries, draft.offset);
        if matches!(kind, DocumentKind::Urlset | DocumentKind::Text) && loc::is_of_sitemap(entry.loc) {
            self.sitemap_entry(&entry, draft.offset);
        }
    }

    /// Passes an entry that looks like a sitemap of the same host on as a child too. The document itself is no child.
    fn sitemap_entry(&mut self, entry: &Entry<'_>, offset: u64) {
        let Ok(mut url) = Url::parse(entry.loc) else { return };
        if url.origin() != self.base.origin() {
            return;
        }
        url.set_fragment(self.base.fragment());
        let is_followed = url != *self.base && self.tally.sitemap_entries < SITEMAP_ENTRIES_MAX;
        self.problem(ProblemKind::SitemapAsEntry, offset, || {
            let action = if is_followed { "kept, and followed as a sitemap" } else { "kept" };
            format!("{} is listed as a page but looks like a sitemap, {action}", quote(entry.loc))
        });
        if is_followed {
            let Entry { loc, lastmod, lastmod_at, .. } = *entry;
            self.sink.child(&Child { loc, lastmod, lastmod_at, is_entry: true });
            self.tally.children += 1;
            self.tally.sitemap_entries += 1;
        }
    }

    /// Passes the drafted child to the sink, or reports why it is dropped.
    pub(crate) fn child(&mut self, draft: &Draft) {
        let Some(published) = self.published_loc(draft, "sitemap") else { return };
        let Some(loc) = self.valid_loc(published, draft) else { return };
        let lastmod_at = self.instant(draft);
        self.sink.child(&Child { loc: as_text(&loc), lastmod: draft.lastmod(), lastmod_at, is_entry: false });
        self.tally.children += 1;
        self.check_count(self.tally.children, draft.offset);
    }

    /// The text to use as the loc. `name` is the kind of element, for problems.
    fn published_loc<'d>(&mut self, draft: &'d Draft, name: &str) -> Option<&'d str> {
        if draft.is_over_limit {
            let limit = self.limits.entry_bytes;
            self.problem(ProblemKind::EntryTooLarge, draft.offset, || {
                format!("{name} exceeds {limit} bytes, parts that did not fit were skipped")
            });
        }
        if let Some(loc) = draft.loc() {
            return Some(loc);
        }
        if let Some(bare) = draft.bare().filter(|text| loc::begins_with_http(text)) {
            self.problem(ProblemKind::BareLoc, draft.offset, || {
                format!("{name} has no loc element, its text {} is used as the loc", quote(bare))
            });
            return Some(bare);
        }
        self.problem(ProblemKind::MissingLoc, draft.offset, || format!("{name} without a loc dropped"));
        None
    }

    fn valid_loc<'d>(&mut self, published: &'d str, draft: &Draft) -> Option<Loc<'d>> {
        let offset = draft.offset;
        let base = draft.base.as_ref().unwrap_or(self.base);
        let loc = match loc::absolute(published, base, self.limits.loc_bytes) {
            Ok(loc) => loc,
            Err(error) => {
                let kind = match error {
                    LocError::TooLong { .. } => ProblemKind::LocTooLong,
                    _ => ProblemKind::BadUrl,
                };
                self.problem(kind, offset, || format!("{} {error}, dropped", quote(published)));
                return None;
            }
        };
        if let Loc::Rewritten { url, was_relative, was_repaired } = &loc {
            if *was_relative {
                self.problem(ProblemKind::RelativeLoc, offset, || {
                    format!("{} is relative, resolved to {}", quote(published), quote(url))
                });
            }
            if *was_repaired {
                self.problem(ProblemKind::RepairedLoc, offset, || {
                    format!("{} contains invalid characters, changed to {}", quote(published), quote(url))
                });
            }
        }
        let length = as_text(&loc).len();
        if length >= LOC_CHARS_STANDARD {
            self.problem(ProblemKind::LongLoc, offset, || {
                format!(
                    "loc has {length} characters, the standard requires fewer than {LOC_CHARS_STANDARD}, kept"
                )
            });
        }
        Some(loc)
    }

    /// Checks the links of `entry` and returns an outcome for each, in order. Empty if all links stay unchanged.
    fn check_links(&mut self, entry: &mut Entry<'_>, draft: &Draft) -> Vec<LinkOutcome> {
        let are_clean = links(entry).all(|link| link.is_none_or(loc::is_clean));
        if are_clean && entry.alternates.iter().all(|alternate| loc::is_clean(alternate.href)) {
            return Vec::new();
        }
        let mut room = self.limits.entry_bytes;
        let mut outcomes: Vec<LinkOutcome> = links(entry)
            .map(|link| link.map_or(LinkOutcome::Kept, |text| self.check_link(text, draft, &mut room)))
            .collect();
        outcomes.extend(entry.alternates.iter().map(|link| match loc::is_of_app(link.href) {
            true => self.check_app_link(link.href, draft, &mut room),
            false => self.check_link(link.href, draft, &mut room),
        }));
        outcomes
    }

    /// Checks a link. The links that are rewritten may take `room` bytes together: a relative link of one byte becomes as
    /// long as the URL of its document.
    fn check_link(&mut self, text: &str, draft: &Draft, room: &mut usize) -> LinkOutcome {
        let base = draft.base.as_ref().unwrap_or(self.base);
        self.outcome(text, loc::absolute(text, base, self.limits.loc_bytes), draft, room)
    }

    /// Checks a link to an app, which is kept as published.
    fn check_app_link(&mut self, text: &str, draft: &Draft, room: &mut usize) -> LinkOutcome {
        self.outcome(text, loc::of_app(text, self.limits.loc_bytes), draft, room)
    }

    fn outcome(
        &mut self,
        text: &str,
        link: Result<Loc<'_>, LocError>,
        draft: &Draft,
        room: &mut usize,
    ) -> LinkOutcome {
        match link {
            Ok(Loc::Rewritten { url, was_relative, was_repaired }) if was_relative || was_repaired => {
                let Some(rest) = room.checked_sub(url.len()) else {
                    // The links after it do not fit either, so the first ones are kept.
                    if std::mem::take(room) > 0 {
                        let limit = self.limits.entry_bytes;
                        self.problem(ProblemKind::EntryTooLarge, draft.offset, || {
                            format!("the links of an entry exceed {limit} bytes, the last ones were skipped")
                        });
                    }
                    return LinkOutcome::Dropped;
                };
                *room = rest;
                LinkOutcome::Rewritten(url)
            }
            Ok(_) => LinkOutcome::Kept,
            Err(error) => {
                self.problem(ProblemKind::BadLink, draft.offset, || {
                    format!("link {} {error}, skipped", quote(text))
                });
                LinkOutcome::Dropped
            }
        }
    }

    fn instant(&mut self, draft: &Draft) -> Option<Timestamp> {
        let text = draft.lastmod()?;
        let instant = lastmod::parse(text);
        if instant.is_none() {
            self.problem(ProblemKind::BadLastmod, draft.offset, || {
                format!("lastmod {} is not a date, kept as text", quote(text))
            });
        }
        instant
    }

    fn check_hints(&mut self, entry: &Entry<'_>, offset: u64) {
        if let Some(text) = entry.changefreq.filter(|text| !is_changefreq(text)) {
            self.problem(ProblemKind::BadChangefreq, offset, || {
                format!("changefreq {} is not one of the seven allowed values, kept as text", quote(text))
            });
        }
        if let Some(text) = entry.priority.filter(|text| !is_priority(text)) {
            self.problem(ProblemKind::BadPriority, offset, || {
                format!("priority {} is not a number from 0.0 to 1.0, kept as text", quote(text))
            });
        }
    }

    fn check_count(&mut self, count: u64, offset: u64) {
        if count == ENTRIES_STANDARD + 1 {
            self.problem(ProblemKind::TooManyEntries, offset, || {
                format!("the document has more than {ENTRIES_STANDARD} entries, all were read")
            });
        }
    }
}

/// The result of checking a link.
enum LinkOutcome {
    Kept,
    Rewritten(String),
    Dropped,
}

/// The links of the images and videos of `entry`, in a fixed order.
fn links<'e, 'd>(entry: &'e mut Entry<'d>) -> impl Iterator<Item = &'e mut Option<&'d str>> {
    let images = entry.images.iter_mut().flat_map(|image| [&mut image.loc, &mut image.license]);
    let videos = entry.videos.iter_mut().flat_map(|video| {
        let own = [
            &mut video.thumbnail_loc,
            &mut video.content_loc,
            &mut video.player_loc,
            &mut video.gallery_loc,
            &mut video.uploader_info,
        ];
        own.into_iter().chain(video.content_segments.iter_mut().map(|segment| &mut segment.loc))
    });
    images.chain(videos)
}

fn apply_outcomes<'d>(outcomes: &'d [LinkOutcome], entry: &mut Entry<'d>) {
    if outcomes.is_empty() {
        return;
    }
    let mut outcomes = outcomes.iter();
    for (link, outcome) in links(entry).zip(&mut outcomes) {
        match outcome {
            LinkOutcome::Kept => {}
            LinkOutcome::Rewritten(url) => *link = Some(url),
            LinkOutcome::Dropped => *link = None,
        }
    }
    entry.alternates.retain_mut(|alternate| match outcomes.next() {
        Some(LinkOutcome::Rewritten(url)) => {
            alternate.href = url;
            true
        }
        Some(LinkOutcome::Dropped) => false,
        Some(LinkOutcome::Kept) | None => true,
    });
    // What had nothing but its link is gone with it.
    entry.images.retain(|image| image.values().iter().any(Option::is_some));
    for video in &mut entry.videos {
        video.content_segments.retain(|segment| segment.values().iter().any(Option::is_some));
    }
    entry.videos.retain(|video| *video != Video::default());
}

fn as_text<'l>(loc: &'l Loc<'_>) -> &'l str {
    match loc {
        Loc::AsPublished(text) => text,
        Loc::Rewritten { url, .. } => url,
    }
}
