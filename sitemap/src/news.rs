//! The news extension of an entry, `news:news`.

use crate::record::record;

record! {
    /// The news article behind an entry, as published (Google's namespace `sitemap-news/0.9`).
    ///
    /// `name` and `language` are inside `news:publication`. Google no longer uses `access`, `genres`, `keywords` and
    /// `stock_tickers`, but they still occur.
    pub struct News, OwnedNews {
        /// Name of the publication.
        name,
        /// Language of the publication, ISO 639 or `zh-cn`, `zh-tw`.
        language,
        /// Title of the article.
        title,
        /// When the article was published, a W3C datetime.
        publication_date,
        /// `Subscription` or `Registration`.
        access,
        /// Genres, separated by commas.
        genres,
        /// Keywords, separated by commas.
        keywords,
        /// Up to five stock tickers, separated by commas.
        stock_tickers,
    }
}
