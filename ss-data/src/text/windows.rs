//! Text in windows of equal length: the instances of a language model.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::fnv::Fnv;

/// At least one window of `context + 1` tokens: its first `context` tokens are read, its last `context` ones predicted.
/// Windows do not overlap.
///
/// ```
/// use ss_data::text::TokenWindows;
///
/// let windows = TokenWindows::new(&[5, 6, 7, 5, 6, 7, 5, 6], 2, 8)?;
/// assert_eq!((windows.len(), windows.window(1)), (2, &[5, 6, 7][..]));
/// assert_eq!((windows.input(1), windows.targets(1)), (&[5, 6][..], &[6, 7][..]));
/// # Ok::<(), ss_data::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenWindows {
    context: usize,
    vocabulary: usize,
    /// Row-major `[n, context + 1]`, shared by clones.
    tokens: Arc<Vec<u32>>,
}

impl TokenWindows {
    /// Cuts `tokens`, each below `vocabulary`, into windows; an incomplete one at the end is dropped.
    ///
    /// # Errors
    /// [`Error::Setting`] for a context of 0, one that is longer than the text, a vocabulary of fewer than two tokens, or
    /// a token outside it, with its place.
    pub fn new(tokens: &[u32], context: usize, vocabulary: usize) -> Result<Self> {
        let refused = |name, value: String, expected: String| Err(Error::Setting { name, value, expected });
        if vocabulary < 2 {
            return refused("vocabulary", vocabulary.to_string(), "at least two tokens".into());
        }
        let size = context.saturating_add(1);
        let windows = tokens.len() / size;
        if context == 0 || windows == 0 {
            let most = tokens.len().saturating_sub(1);
            let expected = format!(
                "at least 1, and at most {most}: the text has {} tokens, too few for one window of {size}",
                tokens.len()
            );
            return refused("context", context.to_string(), expected);
        }
        let tokens = &tokens[..windows * size];
        if let Some(place) = tokens.iter().position(|&token| token as usize >= vocabulary) {
            let expected = format!("a number below {vocabulary} in place {place} of the text");
            return refused("token", tokens[place].to_string(), expected);
        }
        Ok(Self { context, vocabulary, tokens: Arc::new(tokens.to_vec()) })
    }

    /// The number of windows, at least 1.
    pub fn len(&self) -> usize {
        self.tokens.len() / (self.context + 1)
    }

    /// Always `false`: there is at least one window.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// Tokens that are read, and predicted, in each window.
    pub fn context(&self) -> usize {
        self.context
    }

    /// Tokens lie below this number, which is at least 2.
    pub fn vocabulary(&self) -> usize {
        self.vocabulary
    }

    /// FNV-1a of the tokens, to tell texts, and ways of cutting them into tokens, apart.
    pub fn digest(&self) -> u64 {
        let mut digest = Fnv::new();
        digest.add(self.tokens.iter().copied());
        digest.value()
    }

    /// The tokens of window `i`, `context + 1` of them.
    ///
    /// # Panics
    /// When `i >= self.len()`, as indexing a slice does.
    pub fn window(&self, i: usize) -> &[u32] {
        let size = self.context + 1;
        &self.tokens[i * size..(i + 1) * size]
    }

    /// What window `i` is read as, `[context]`.
    ///
    /// # Panics
    /// As [`window`](Self::window).
    pub fn input(&self, i: usize) -> &[u32] {
        &self.window(i)[..self.context]
    }

    /// What is to be predicted after each token of the input, `[context]`.
    ///
    /// # Panics
    /// As [`window`](Self::window).
    pub fn targets(&self, i: usize) -> &[u32] {
        &self.window(i)[1..]
    }
}
