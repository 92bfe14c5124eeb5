//! Text as a sequence of words, cut as the WikiText benchmarks cut it.

mod corruption;
pub mod grammar;
mod vocabulary;
mod windows;

pub use corruption::{ShuffledWindows, WindowShuffling};
pub use vocabulary::{END_OF_LINE, UNKNOWN, Vocabulary};
pub use windows::TokenWindows;

use std::path::Path;

use crate::error::{Error, Result};
use crate::fnv::Fnv;

/// UTF-8 text with at least one word.
///
/// ```
/// use ss_data::text::Text;
///
/// let text = Text::new(" = Title = \n\nA short line .\n")?;
/// let words: Vec<&str> = text.words().collect();
/// assert_eq!(words, ["=", "Title", "=", "<eos>", "<eos>", "A", "short", "line", ".", "<eos>"]);
/// # Ok::<(), ss_data::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    content: String,
}

impl Text {
    /// # Errors
    /// [`Error::Empty`] for text without a word.
    pub fn new(content: impl Into<String>) -> Result<Self> {
        let content = content.into();
        if content.split_whitespace().next().is_none() {
            return Err(Error::Empty { what: "the text".into() });
        }
        Ok(Self { content })
    }

    /// Reads a file.
    ///
    /// # Errors
    /// A file that cannot be read, that is not UTF-8 (with the offset of the first bad byte) or that has no word.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|error| Error::io("read", path, error))?;
        let content = String::from_utf8(bytes).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            Error::Corrupt {
                path: path.to_path_buf(),
                expected: "UTF-8 text".into(),
                found: format!("byte 0x{:02x} at offset {at}", error.as_bytes()[at]),
                remedy: "convert the file to UTF-8, with iconv for example",
            }
        })?;
        Self::new(content).map_err(|error| error.in_file(path))
    }

    /// All of it.
    pub fn as_str(&self) -> &str {
        &self.content
    }

    /// The words, as whitespace separates them, with [`END_OF_LINE`] after each line, empty ones included (Merity et al. 2016,
    /// arXiv 1609.07843).
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.content.lines().flat_map(|line| line.split_whitespace().chain([END_OF_LINE]))
    }

    /// Cuts off the last `share` of the lines: what is before, and they.
    ///
    /// # Errors
    /// [`Error::Setting`] for a share outside (0, 1), and one that leaves no word on one of the sides.
    pub fn cut(&self, share: f64) -> Result<(Self, Self)> {
        let refused = |expected: &str| Error::Setting {
            name: "share of lines",
            value: share.to_string(),
            expected: expected.into(),
        };
        if !(share > 0.0 && share < 1.0) {
            return Err(refused("a share above 0 and below 1, such as 0.2"));
        }
        let lines: Vec<&str> = self.content.split_inclusive('\n').collect();
        let kept = lines.len() - (share * lines.len() as f64).round() as usize;
        let side = |lines: &[&str]| {
            Self::new(lines.concat()).map_err(|_| refused("a share that leaves words on both sides"))
        };
        Ok((side(&lines[..kept])?, side(&lines[kept..])?))
    }

    /// A digest of all bytes (FNV-1a, 64 bits): which text a result was computed on.
    pub fn digest(&self) -> u64 {
        let mut digest = Fnv::new();
        digest.add(self.content.bytes());
        digest.value()
    }
}
