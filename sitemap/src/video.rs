//! The video extension of an entry, `video:video`.

use crate::record::record;

record! {
    /// One video of an entry, as published (Google's namespace `sitemap-video/1.1`).
    ///
    /// An attribute is named element_attribute, and the children of `video:tvshow` begin with `tvshow_`.
    pub struct Video {
        /// URL of the thumbnail.
        thumbnail_loc,
        /// Title.
        title,
        /// Description, at most 2,048 characters by the rules.
        description,
        /// URL of the media file.
        content_loc,
        /// URL of a player for it.
        player_loc,
        /// Whether the player may be embedded, `yes` or `no`.
        player_loc_allow_embed,
        /// What to append to the player's URL to start it at once.
        player_loc_autoplay,
        /// Length in seconds.
        duration,
        /// When it ceases to be available, a W3C datetime.
        expiration_date,
        /// Rating, 0.0 to 5.0.
        rating,
        /// How often it was watched.
        view_count,
        /// When it came out, a W3C datetime.
        publication_date,
        /// `yes`, or `no` when it needs safe search off.
        family_friendly,
        /// Country codes, separated by spaces.
        restriction,
        /// `allow` or `deny` for these countries.
        restriction_relationship,
        /// Platforms (`web`, `mobile`, `tv`), separated by spaces.
        platform,
        /// `allow` or `deny` for these platforms.
        platform_relationship,
        /// `yes` or `no`.
        requires_subscription,
        /// Name of the uploader.
        uploader,
        /// URL of a page about the uploader.
        uploader_info,
        /// Whether it is a live stream, `yes` or `no`.
        live,
        /// Category.
        category,
        /// URL of the gallery it appears in.
        gallery_loc,
        /// Title of that gallery.
        gallery_loc_title,
        /// Title of the show.
        tvshow_show_title,
        /// How the video relates to the show: `full`, `preview`, `clip`, `interview`, `news`, `other`.
        tvshow_video_type,
        /// Title of the episode.
        tvshow_episode_title,
        /// Number of the season.
        tvshow_season_number,
        /// Number of the episode.
        tvshow_episode_number,
        /// When the episode was first broadcast, a W3C datetime.
        tvshow_premier_date,
        /// Identifier of the video.
        id,
        /// Kind of that identifier, such as `tms:series` or a URL scheme of the publisher.
        id_type,
        ; lists {
            /// Every `video:tag`, in order.
            tags: Vec<&'a str>,
            /// Every `video:price`, in order.
            prices: Vec<Price<'a>>,
            /// Every `video:content_segment_loc`, in order.
            content_segments: Vec<ContentSegment<'a>>,
        }
    }
}

record! {
    /// A price at which a video is offered, `video:price`.
    pub struct Price {
        /// The amount.
        value,
        /// Currency, ISO 4217.
        currency,
        /// `rent` or `own`; the attribute is called `type`.
        kind as "type",
        /// `HD` or `SD`.
        resolution,
    }
}

record! {
    /// A part of a video that lies in several files, `video:content_segment_loc`.
    pub struct ContentSegment {
        /// URL of the part.
        loc,
        /// Its length in seconds.
        duration,
    }
}
