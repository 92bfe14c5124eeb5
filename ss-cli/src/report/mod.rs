//! `report.html`: one self-contained page for a run.
//!
//! Values in, text out: a page is a function of what it is given. It holds its style, its drawings and its images, so
//! it opens offline; it runs no script; it follows light and dark and prints. Whatever comes from outside is escaped
//! where it is written (`maud`), and a content policy in the page forbids the browser to load anything else.
//!
//! | module | content |
//! |---|---|
//! | `page` | the frame of every page, and its style |
//! | `search_page` | [`SearchPage`]: what one search found |
//! | `table_page` | [`TablePage`]: methods against label noise, with a search for each noise rate |
//! | `search_section` | the figures of one search, with the captions that teach how to read them |
//! | `record` | [`SearchRecord`]: what these figures need, small enough to be kept |
//! | `thumbnail` | images as addresses that hold them |
//! | `figure`, `data_table`, `origin` | a figure with legend and caption; a table; command, source and machine |

mod data_table;
mod figure;
mod origin;
mod page;
#[cfg(test)]
mod page_tests;
mod record;
mod search_page;
mod search_section;
mod table_page;
mod thumbnail;

pub use data_table::{DataTable, TableRow};
pub use record::SearchRecord;
pub use search_page::SearchPage;
pub use table_page::{TablePage, TableSearch};
