//! The video extension of an entry, `video:video`.

use crate::record::record;

record! {
    /// One video of an entry, as published (Google's namespace `sitemap-video/1.1`).
    ///
    /// An attribute is stored in the field `element_attribute`. Fields of the children of `video:tvshow` begin with
    /// `tvshow_`.
    pub struct Video, OwnedVideo {
        /// URL of the thumbnail.
        thumbnail_loc,
        /// Title.
        title,
        /// Description; the specification allows at most 2,048 characters.
        description,
        /// URL of the media file.
        content_loc,
        /// URL of a player for the video.
        player_loc,
        /// Whether the player may be embedded, `yes` or `no`.
        player_loc_allow_embed,
        /// Text to append to the player's URL to start the video at once.
        player_loc_autoplay,
        /// Length in seconds.
        duration,
        /// When the video stops being available, a W3C datetime.
        expiration_date,
        /// Rating, 0.0 to 5.0.
        rating,
        /// Number of views.
        view_count,
        /// When the video was published, a W3C datetime.
        publication_date,
        /// `yes`, or `no` if the video is shown only with SafeSearch off.
        family_friendly,
        /// Country codes, separated by spaces.
        restriction,
        /// `allow` or `deny` for these countries.
        restriction_relationship,
        /// Platforms (`web`, `mobile`, `tv`), separated by spaces.
        platform,
        /// `allow` or `deny` for these platforms.
        platform_relationship,
        /// Whether a subscription is required, `yes` or `no`.
        requires_subscription,
        /// Name of the uploader.
        uploader,
        /// URL of a page about the uploader.
        uploader_info,
        /// Whether the video is a live stream, `yes` or `no`.
        live,
        /// Category.
        category,
        /// URL of the gallery that the video appears in.
        gallery_loc,
        /// Title of that gallery.
        gallery_loc_title,
        /// Title of the show.
        tvshow_show_title,
        /// Relation of the video to the show: `full`, `preview`, `clip`, `interview`, `news`, `other`.
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
        /// Kind of the identifier, such as `tms:series` or a URL scheme of the publisher.
        id_type,
        ; texts {
            /// Every `video:tag`, in order.
            tags,
        }
        ; lists {
            /// Every `video:price`, in order.
            prices: Price, OwnedPrice;
            /// Every `video:content_segment_loc`, in order.
            content_segments: ContentSegment, OwnedContentSegment;
        }
    }
}

record! {
    /// A price of a video, `video:price`.
    pub struct Price, OwnedPrice {
        /// The amount.
        value,
        /// Currency, ISO 4217.
        currency,
        /// `rent` or `own`; the XML attribute is `type`.
        kind as "type",
        /// `HD` or `SD`.
        resolution,
    }
}

record! {
    /// A part of a video that is split into several files, `video:content_segment_loc`.
    pub struct ContentSegment, OwnedContentSegment {
        /// URL of the part.
        loc,
        /// Length in seconds.
        duration,
    }
}
