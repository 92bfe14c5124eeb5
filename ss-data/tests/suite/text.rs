//! Text: words, vocabularies, windows, spoilt windows.

use std::collections::BTreeSet;
use std::fs;

use proptest::prelude::*;
use ss_data::text::{END_OF_LINE, Text, TokenWindows, Vocabulary, WindowShuffling, grammar};
use ss_seed::Seed;
use tempfile::tempdir;

fn text(content: &str) -> Text {
    Text::new(content).unwrap()
}

#[test]
fn files_are_read_and_trouble_is_located() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("train.txt");
    fs::write(&path, "été .\n").unwrap();
    let read = Text::read(&path).unwrap();
    assert_eq!(read.words().collect::<Vec<_>>(), ["été", ".", END_OF_LINE]);
    let message = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        Text::read(&path).unwrap_err().to_string()
    };
    // Latin-1: the first letter begins no character, and is byte 0xe9.
    let latin = message(b"ab \xe9t\xe9");
    assert!(latin.contains("train.txt") && latin.contains("0xe9 at offset 3"), "{latin}");
    // A character that is cut off at the end of the file.
    assert!(message(b"ab \xc3").contains("0xc3 at offset 3"));
    let empty = message(b" \n \n");
    assert!(empty.contains("train.txt") && empty.contains("the text is empty"), "{empty}");
    let missing = Text::read(&folder.path().join("none.txt")).unwrap_err().to_string();
    assert!(missing.contains("cannot read") && missing.contains("none.txt"), "{missing}");
}

#[test]
fn words_are_numbered_by_frequency_then_by_first_appearance() {
    let training = text("b a c a\nb d <unk> <unk> <unk>\n");
    // Twice each: b, a and <eos>, in the order in which they appear; once: c, d.
    let all = Vocabulary::of_words(&training, 100).unwrap();
    assert_eq!(all.size(), 6);
    assert_eq!(all.encode(&text("<unk> b a c d z")).unwrap(), [0, 1, 2, 4, 5, 0, 3]);
    let few = Vocabulary::of_words(&training, 3).unwrap();
    assert_eq!(few.encode(&text("<unk> b a c d z")).unwrap(), [0, 1, 2, 0, 0, 0, 0]);
    for size in [0, 1] {
        assert!(Vocabulary::of_words(&training, size).unwrap_err().to_string().contains("at least 2"));
    }
}

#[test]
fn tokenizers_of_hugging_face_are_read() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("tokenizer.json");
    let tokenizer = serde_json::json!({
        "version": "1.0", "added_tokens": [], "normalizer": {"type": "Lowercase"},
        "pre_tokenizer": {"type": "Whitespace"}, "post_processor": null, "decoder": null,
        "truncation": null, "padding": null,
        "model": {"type": "WordLevel", "vocab": {"[UNK]": 0, "the": 1, "cat": 4}, "unk_token": "[UNK]"},
    });
    fs::write(&path, tokenizer.to_string()).unwrap();
    let vocabulary = Vocabulary::from_tokenizer(&path).unwrap();
    assert_eq!(vocabulary.size(), 5, "ids up to 4, with gaps");
    assert_eq!(vocabulary.encode(&text("The cat\nsat")).unwrap(), [1, 4, 0]);
    fs::write(&path, "{}").unwrap();
    assert!(Vocabulary::from_tokenizer(&path).unwrap_err().to_string().contains("tokenizer.json"));
}

#[test]
fn bad_windows_are_located() {
    let message = |tokens: &[u32], context, vocabulary| {
        TokenWindows::new(tokens, context, vocabulary).unwrap_err().to_string()
    };
    assert!(message(&[1; 8], 8, 2).contains("at most 7: the text has 8 tokens"));
    assert!(message(&[1; 8], 0, 2).contains("context = 0"));
    assert!(message(&[], 4, 2).contains("has 0 tokens"));
    assert!(message(&[0, 1, 2, 1], 1, 2).contains("below 2 in place 2"));
    assert!(message(&[0; 8], 1, 1).contains("vocabulary = 1"));
    // One outside the vocabulary in the piece that is dropped.
    assert!(TokenWindows::new(&[0, 1, 9], 1, 2).is_ok());
}

#[test]
fn windows_of_other_tokens_have_another_digest() {
    let digest = |tokens: &[u32]| TokenWindows::new(tokens, 2, 9).unwrap().digest();
    assert_eq!(digest(&[1, 2, 3, 4, 5, 6]), digest(&[1, 2, 3, 4, 5, 6, 7]), "the last one is dropped");
    assert_ne!(digest(&[1, 2, 3, 4, 5, 6]), digest(&[1, 3, 2, 4, 5, 6]));
    assert_ne!(digest(&[1, 2, 3, 4, 5, 6]), digest(&[1, 2, 3]));
}

#[test]
fn lines_are_cut_off_the_end() {
    let whole = text("a\nb\nc\nd\ne");
    let (first, last) = whole.cut(0.4).unwrap();
    assert_eq!((first.as_str(), last.as_str()), ("a\nb\nc\n", "d\ne"));
    for share in [0.0, 1.0, -1.0, f64::NAN, 0.01, 0.99] {
        assert!(whole.cut(share).unwrap_err().to_string().contains("share of lines"), "{share}");
    }
    assert_ne!(first.digest(), last.digest());
}

#[test]
fn generated_text_follows_its_grammar() {
    let of = |seed| grammar::text(20_000, Seed::new(seed)).unwrap();
    let text = of(0);
    assert_eq!(text, of(0));
    assert_ne!(text, of(1));
    let words: Vec<&str> = text.as_str().split_whitespace().collect();
    assert_eq!(words.len(), 20_000);
    assert_eq!(words.iter().collect::<BTreeSet<_>>().len(), 48);
    // The likeliest successor of each word: 10 in 16; 20,000 steps make the deviation 0.0034.
    let pairs: BTreeSet<(&str, &str)> = words.windows(2).map(|pair| (pair[0], pair[1])).collect();
    assert!(pairs.len() <= 4 * 48, "{} pairs", pairs.len());
    let mut counts = std::collections::BTreeMap::new();
    words.windows(2).for_each(|pair| *counts.entry((pair[0], pair[1])).or_insert(0_usize) += 1);
    let best: usize = pairs
        .iter()
        .map(|(word, _)| *word)
        .collect::<BTreeSet<_>>()
        .iter()
        .map(|word| counts.iter().filter(|((w, _), _)| w == word).map(|(_, &count)| count).max().unwrap())
        .sum();
    let share = best as f64 / 19_999.0;
    assert!((share - 10.0 / 16.0).abs() < 0.015, "{share}");
    for line in text.as_str().lines() {
        assert!((1..=13).contains(&line.split_whitespace().count()), "{line}");
    }
    assert!(grammar::text(0, Seed::new(0)).is_err());
}

proptest! {
    #[test]
    fn windows_are_the_text_without_its_end(
        tokens in prop::collection::vec(0_u32..9, 1..60),
        context in 1_usize..8,
    ) {
        let Ok(windows) = TokenWindows::new(&tokens, context, 9) else {
            prop_assert!(tokens.len() < context + 1);
            return Ok(());
        };
        let joined: Vec<u32> = (0..windows.len()).flat_map(|i| windows.window(i).to_vec()).collect();
        prop_assert_eq!(&joined[..], &tokens[..joined.len()]);
        prop_assert!(tokens.len() - joined.len() < context + 1);
        for i in 0..windows.len() {
            prop_assert_eq!(windows.input(i).len(), context);
            prop_assert_eq!(&windows.input(i)[1..], &windows.targets(i)[..context - 1]);
        }
    }

    #[test]
    fn shuffling_keeps_the_tokens_of_each_window_and_nests_over_rates(
        n in 1_usize..80,
        context in 1_usize..9,
        rate in 0.0_f64..1.0,
        seed in any::<u64>(),
    ) {
        // All tokens differ: a shuffled window is wrong unless it happens to keep its order.
        let tokens: Vec<u32> = (0..(n * (context + 1)) as u32).collect();
        let clean = TokenWindows::new(&tokens, context, tokens.len()).unwrap();
        let stream = Seed::new(seed).stream("text-corruption");
        let at = |rate| WindowShuffling::new(rate).unwrap().apply(&clean, stream).unwrap();
        let (spoilt, more) = (at(rate), at((rate + 1.0) / 2.0));
        let wrong = spoilt.wrong.iter().filter(|&&wrong| wrong).count();
        prop_assert!(wrong <= (rate * n as f64).round() as usize);
        prop_assert_eq!(spoilt.realized_rate, wrong as f64 / n as f64);
        for i in 0..n {
            let mut sorted = spoilt.windows.window(i).to_vec();
            sorted.sort_unstable();
            prop_assert_eq!(&sorted[..], clean.window(i));
            prop_assert_eq!(spoilt.wrong[i], spoilt.windows.window(i) != clean.window(i));
            if spoilt.wrong[i] {
                prop_assert_eq!(spoilt.windows.window(i), more.windows.window(i));
            }
        }
    }
}

#[test]
fn the_share_of_shuffled_windows_is_exact_and_bad_rates_are_refused() {
    let tokens: Vec<u32> = (0..100 * 33).collect();
    let clean = TokenWindows::new(&tokens, 32, tokens.len()).unwrap();
    let stream = Seed::new(3).stream("text-corruption");
    for rate in [0.0, 0.2, 0.5] {
        assert_eq!(WindowShuffling::new(rate).unwrap().apply(&clean, stream).unwrap().realized_rate, rate);
    }
    for rate in [-0.1, 1.0, f64::NAN] {
        assert!(WindowShuffling::new(rate).unwrap_err().to_string().contains("corruption rate"));
    }
}
