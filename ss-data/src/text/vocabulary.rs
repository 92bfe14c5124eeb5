//! From words to numbers.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::fmt;
use std::path::Path;

use tokenizers::Tokenizer;

use super::Text;
use crate::error::{Error, Result};

/// What stands for every word that a vocabulary lacks, and what WikiText itself writes for rare words.
pub const UNKNOWN: &str = "<unk>";
/// What follows each line.
pub const END_OF_LINE: &str = "<eos>";

/// A numbering of words or of parts of words.
///
/// ```
/// use ss_data::text::{Text, Vocabulary};
///
/// let vocabulary = Vocabulary::of_words(&Text::new("a rose is a rose is a rose")?, 4)?;
/// // 0 is `<unk>`; `a` and `rose` occur three times each, `a` earlier; `is` twice.
/// assert_eq!(vocabulary.encode(&Text::new("is a violet")?)?, [3, 1, 0, 0]);
/// # Ok::<(), ss_data::Error>(())
/// ```
#[derive(Clone)]
pub struct Vocabulary(Numbering);

#[derive(Clone)]
enum Numbering {
    Words(HashMap<String, u32>),
    Tokenizer(Box<Tokenizer>),
}

impl Vocabulary {
    /// The `size` most frequent words of `training`, [`UNKNOWN`] among them as number 0 whatever its frequency; of equally
    /// frequent words the one that occurs first comes first. A text of fewer words gives a smaller vocabulary.
    ///
    /// # Errors
    /// [`Error::Setting`] for a size below 2, which is `<unk>` alone.
    pub fn of_words(training: &Text, size: usize) -> Result<Self> {
        if size < 2 {
            return Err(Error::Setting {
                name: "vocabulary",
                value: size.to_string(),
                expected: "at least 2: `<unk>` and the most frequent word".into(),
            });
        }
        // Count and first place of each word.
        let mut counts: HashMap<&str, (usize, usize)> = HashMap::new();
        for (place, word) in training.words().enumerate() {
            counts.entry(word).or_insert((0, place)).0 += 1;
        }
        counts.remove(UNKNOWN);
        let mut words: Vec<(&str, (usize, usize))> = counts.into_iter().collect();
        words.sort_unstable_by_key(|&(_, (count, first))| (Reverse(count), first));
        let known = words.iter().take(size - 1).map(|(word, _)| *word);
        let numbered = std::iter::once(UNKNOWN).chain(known).zip(0..);
        Ok(Self(Numbering::Words(numbered.map(|(word, id)| (word.to_owned(), id)).collect())))
    }

    /// The vocabulary and the rules of a `tokenizer.json` (Hugging Face tokenizers).
    ///
    /// # Errors
    /// A file that cannot be read or holds no tokenizer of at least two tokens.
    pub fn from_tokenizer(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|error| Error::io("read", path, error))?;
        let corrupt = |found: String| Error::Corrupt {
            path: path.to_path_buf(),
            expected: "a tokenizer.json of at least two tokens".into(),
            found,
            remedy: "give the tokenizer.json that a model was published with",
        };
        let tokenizer = Tokenizer::from_bytes(&bytes).map_err(|error| corrupt(error.to_string()))?;
        match tokenizer.get_vocab_size(true) {
            size @ 0..2 => Err(corrupt(format!("{size} tokens"))),
            _ => Ok(Self(Numbering::Tokenizer(Box::new(tokenizer)))),
        }
    }

    /// How many numbers there are, at least 2: ids lie in `0..size`.
    pub fn size(&self) -> usize {
        match &self.0 {
            Numbering::Words(ids) => ids.len(),
            // Ids may have gaps.
            Numbering::Tokenizer(tokenizer) => {
                tokenizer.get_vocab(true).values().max().map_or(0, |&id| id as usize + 1)
            }
        }
    }

    /// The numbers of a text's words, or of the tokens that a tokenizer makes of it, without special ones around it.
    ///
    /// # Errors
    /// [`Error::Setting`] where the tokenizer cannot encode the text.
    pub fn encode(&self, text: &Text) -> Result<Vec<u32>> {
        match &self.0 {
            Numbering::Words(ids) => {
                Ok(text.words().map(|word| ids.get(word).copied().unwrap_or(0)).collect())
            }
            Numbering::Tokenizer(tokenizer) => {
                let encoded = tokenizer.encode(text.as_str(), false).map_err(|error| Error::Setting {
                    name: "tokenizer",
                    value: error.to_string(),
                    expected: "one that encodes the text".into(),
                })?;
                Ok(encoded.get_ids().to_vec())
            }
        }
    }
}

impl fmt::Debug for Vocabulary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.0 {
            Numbering::Words(_) => "words",
            Numbering::Tokenizer(_) => "tokens of a tokenizer",
        };
        write!(f, "Vocabulary({} {kind})", self.size())
    }
}
