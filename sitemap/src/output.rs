//! The way out of a reading: entries and children checked, problems counted and bounded.

use std::collections::VecDeque;

use jiff::Timestamp;
use url::Url;

use crate::child::Child;
use crate::draft::Draft;
use crate::encoding::BadBytes;
use crate::entry::{is_changefreq, is_priority};
use crate::limits::{ENTRIES_STANDARD, LOC_CHARS_STANDARD, Limits};
use crate::loc::{self, Loc, LocError};
use crate::problem::{Problem, ProblemCounts, ProblemKind, quote};
use crate::{Entry, Sink, lastmod};

/// What a document has given so far.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) entries: u64,
    pub(crate) children: u64,
    pub(crate) problems: ProblemCounts,
    /// Bad bytes in text that is not read yet.
    pub(crate) bad_bytes: VecDeque<BadBytes>,
}

/// Takes what the formats find, checks it, and hands it to the sink.
pub(crate) struct Output<'o, S> {
    pub(crate) sink: &'o mut S,
    pub(crate) tally: &'o mut Tally,
    pub(crate) base: &'o Url,
    pub(crate) limits: &'o Limits,
}

impl<S: Sink> Output<'_, S> {
    /// Counts a problem, and hands it out unless there were too many.
    pub(crate) fn problem(&mut self, kind: ProblemKind, offset: u64, words: impl FnOnce() -> String) {
        self.tally.problems.add(kind);
        if self.tally.problems.total() <= self.limits.problems {
            self.sink.problem(Problem { kind, offset, text: words() });
        }
    }

    /// Reports the bad bytes before `offset`. They wait until the reading comes to them, so that problems come in the
    /// same order whatever the pieces of the document.
    #[inline]
    pub(crate) fn pass(&mut self, offset: u64) {
        if !self.tally.bad_bytes.is_empty() {
            self.report_bad_bytes(offset);
        }
    }

    fn report_bad_bytes(&mut self, offset: u64) {
        while let Some(bad) = self.tally.bad_bytes.pop_front_if(|bad| bad.at < offset) {
            self.problem(ProblemKind::BadEncoding, bad.at, || {
                format!("{} byte(s) are no text, kept as U+FFFD", bad.count)
            });
        }
    }

    /// Hands out the drafted entry, or says why it is dropped.
    pub(crate) fn entry(&mut self, draft: &Draft) {
        let Some(published) = self.published_loc(draft, "entry") else { return };
        let Some(usable) = self.usable_loc(published, draft) else { return };
        let lastmod_at = self.instant(draft);
        let mut entry = Entry { loc: as_text(&usable), lastmod_at, ..draft.entry() };
        let outcomes = self.judge_links(&mut entry, draft);
        apply(&outcomes, &mut entry);
        self.check_hints(&entry, draft.offset);
        self.sink.entry(&entry);
        self.tally.entries += 1;
        self.note_count(self.tally.entries, draft.offset);
    }

    /// Hands out the drafted child, or says why it is dropped.
    pub(crate) fn child(&mut self, draft: &Draft) {
        let Some(published) = self.published_loc(draft, "sitemap") else { return };
        let Some(usable) = self.usable_loc(published, draft) else { return };
        let lastmod_at = self.instant(draft);
        self.sink.child(&Child { loc: as_text(&usable), lastmod: draft.lastmod(), lastmod_at });
        self.tally.children += 1;
        self.note_count(self.tally.children, draft.offset);
    }

    /// The text to be taken for the loc.
    fn published_loc<'d>(&mut self, draft: &'d Draft, what: &str) -> Option<&'d str> {
        if draft.is_over {
            let limit = self.limits.entry_bytes;
            self.problem(ProblemKind::EntryTooLarge, draft.offset, || {
                format!("{what} exceeds {limit} bytes, kept without what did not fit")
            });
        }
        if let Some(loc) = draft.loc() {
            return Some(loc);
        }
        if let Some(bare) = draft.bare().filter(|text| loc::begins_with_http(text)) {
            self.problem(ProblemKind::BareLoc, draft.offset, || {
                format!("{what} without a loc element, its text {} was taken", quote(bare))
            });
            return Some(bare);
        }
        self.problem(ProblemKind::MissingLoc, draft.offset, || format!("{what} without a loc dropped"));
        None
    }

    fn usable_loc<'d>(&mut self, published: &'d str, draft: &Draft) -> Option<Loc<'d>> {
        let offset = draft.offset;
        let base = draft.base.as_ref().unwrap_or(self.base);
        let usable = match loc::absolute(published, base, self.limits.loc_bytes) {
            Ok(usable) => usable,
            Err(error) => {
                let kind = match error {
                    LocError::TooLong { .. } => ProblemKind::LocTooLong,
                    _ => ProblemKind::BadUrl,
                };
                self.problem(kind, offset, || format!("{} {error}, dropped", quote(published)));
                return None;
            }
        };
        if let Loc::Rewritten { url, was_relative, was_repaired } = &usable {
            if *was_relative {
                self.problem(ProblemKind::RelativeLoc, offset, || {
                    format!("{} is relative, kept as {}", quote(published), quote(url))
                });
            }
            if *was_repaired {
                self.problem(ProblemKind::RepairedLoc, offset, || {
                    format!("{} was kept as {}", quote(published), quote(url))
                });
            }
        }
        let length = as_text(&usable).len();
        if length >= LOC_CHARS_STANDARD {
            self.problem(ProblemKind::LongLoc, offset, || {
                format!("loc of {length} characters kept, {LOC_CHARS_STANDARD} and more are not allowed")
            });
        }
        Some(usable)
    }

    /// What becomes of each link of `entry`, in their order; nothing where all stay as they are.
    fn judge_links(&mut self, entry: &mut Entry<'_>, draft: &Draft) -> Vec<LinkOutcome> {
        let are_clean = links(entry).all(|link| link.is_none_or(loc::is_clean));
        if are_clean && entry.alternates.iter().all(|alternate| loc::is_clean(alternate.href)) {
            return Vec::new();
        }
        let mut outcomes: Vec<LinkOutcome> = links(entry)
            .map(|link| link.map_or(LinkOutcome::Kept, |text| self.judge_link(text, draft)))
            .collect();
        outcomes.extend(entry.alternates.iter().map(|alternate| self.judge_link(alternate.href, draft)));
        outcomes
    }

    fn judge_link(&mut self, text: &str, draft: &Draft) -> LinkOutcome {
        let base = draft.base.as_ref().unwrap_or(self.base);
        match loc::absolute(text, base, self.limits.loc_bytes) {
            Ok(Loc::Rewritten { url, was_relative, was_repaired }) if was_relative || was_repaired => {
                LinkOutcome::Rewritten(url)
            }
            Ok(_) => LinkOutcome::Kept,
            Err(error) => {
                self.problem(ProblemKind::BadLink, draft.offset, || {
                    format!("link {} {error}, left out", quote(text))
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
                format!("lastmod {} is no date, kept as text", quote(text))
            });
        }
        instant
    }

    fn check_hints(&mut self, entry: &Entry<'_>, offset: u64) {
        if let Some(text) = entry.changefreq.filter(|text| !is_changefreq(text)) {
            self.problem(ProblemKind::BadChangefreq, offset, || {
                format!("changefreq {} is none of the seven words, kept as text", quote(text))
            });
        }
        if let Some(text) = entry.priority.filter(|text| !is_priority(text)) {
            self.problem(ProblemKind::BadPriority, offset, || {
                format!("priority {} does not lie between 0.0 and 1.0, kept as text", quote(text))
            });
        }
    }

    fn note_count(&mut self, count: u64, offset: u64) {
        if count == ENTRIES_STANDARD + 1 {
            self.problem(ProblemKind::TooManyEntries, offset, || {
                format!("more than {ENTRIES_STANDARD} entries, all are read")
            });
        }
    }
}

/// What becomes of a link.
enum LinkOutcome {
    Kept,
    Rewritten(String),
    Dropped,
}

/// The URLs of `entry` besides its loc and its alternates, in a fixed order.
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

fn apply<'d>(outcomes: &'d [LinkOutcome], entry: &mut Entry<'d>) {
    if outcomes.is_empty() {
        return;
    }
    let mut outcomes = outcomes.iter();
    for (link, fate) in links(entry).zip(&mut outcomes) {
        match fate {
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
}

fn as_text<'l>(usable: &'l Loc<'_>) -> &'l str {
    match usable {
        Loc::AsPublished(text) => text,
        Loc::Rewritten { url, .. } => url,
    }
}
