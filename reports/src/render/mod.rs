//! Writes reports and statuses for people and for programs.

mod advice;
mod html;
mod json;
mod status_text;
mod table;
mod text;

pub use html::report_html;
pub use json::{report_json, status_json};
pub use status_text::status_text;
pub use text::report_text;
