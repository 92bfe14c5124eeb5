//! Text that is made up, for tests and demonstrations: nothing to download, and its order can be learned.

use ss_seed::Seed;

use super::Text;
use crate::error::{Error, Result};

/// Different words.
const WORDS: usize = 48;
/// Chances of the successors of a word, in sixteenths.
const CHANCES: [u64; 4] = [10, 4, 1, 1];

/// About `words` words of a first-order Markov chain over 48 words, each of which is followed by one of four others with chances
/// of 10, 4, 1 and 1 in 16; a line ends after 6 to 13 words. The chain is the same for every `seed`, the text is not.
///
/// # Errors
/// [`Error::Empty`] for no word at all.
///
/// ```
/// use ss_data::text::grammar;
/// use ss_seed::Seed;
///
/// let text = grammar::text(2_000, Seed::new(0))?;
/// assert!(text.words().count() >= 2_000);
/// # Ok::<(), ss_data::Error>(())
/// ```
pub fn text(words: usize, seed: Seed) -> Result<Text> {
    if words == 0 {
        return Err(Error::Empty { what: "the generated text".into() });
    }
    let chain = Seed::new(0).stream("grammar");
    let successors: Vec<[usize; 4]> = (0..WORDS)
        .map(|word| {
            let mut others: Vec<usize> = (0..WORDS).filter(|&other| other != word).collect();
            let keys = chain.index(word as u64);
            others.sort_by_key(|&other| keys.index(other as u64).hash());
            [others[0], others[1], others[2], others[3]]
        })
        .collect();
    let stream = seed.stream("grammar-text");
    let (mut content, mut word, mut left) = (String::new(), 0, line_length(stream.index(0).hash()));
    for place in 0..words as u64 {
        content.push_str(&name(word));
        left -= 1;
        if left == 0 {
            content.push('\n');
            left = line_length(stream.index(place + 1).index(1).hash());
        } else {
            content.push(' ');
        }
        let mut chance = stream.index(place).index(0).hash() >> 60;
        for (choice, share) in successors[word].into_iter().zip(CHANCES) {
            if chance < share {
                word = choice;
                break;
            }
            chance -= share;
        }
    }
    Text::new(content)
}

fn line_length(bits: u64) -> usize {
    6 + (bits >> 61) as usize
}

/// Two syllables.
fn name(word: usize) -> String {
    const FIRST: [&str; 8] = ["ba", "de", "fi", "go", "ku", "la", "me", "ni"];
    const SECOND: [&str; 6] = ["ro", "su", "ta", "ve", "wi", "zo"];
    format!("{}{}", FIRST[word % 8], SECOND[word / 8])
}
