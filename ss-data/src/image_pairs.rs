//! Lists of pairs of images, some of the same person and some not: how LFW and YTF are verified.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::class_folders::{BadImages, Loaded, SkippedImage, load_files};
use crate::error::{Error, Result};
use crate::fnv::Fnv;
use crate::image_set::{ImageSet, ImageShape};

/// Two images by their places in a set, and whether they show the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImagePair {
    /// The one image.
    pub first: usize,
    /// The other one.
    pub second: usize,
    /// Whether both are of one class.
    pub same: bool,
    /// The fold of the pair, counted from 0: thresholds are chosen on the other folds.
    pub fold: usize,
}

/// Images that are known by pairs alone.
#[derive(Clone, Debug)]
pub struct ImagePairs {
    /// Every image of the list once, in the order in which they occur first; labels are 0 and mean nothing.
    pub images: ImageSet,
    /// The pairs, in the order of the list.
    pub pairs: Vec<ImagePair>,
    /// Images that were left out, with all pairs that they are in.
    pub skipped: Vec<SkippedImage>,
}

impl ImagePairs {
    /// A digest of the pairs (FNV-1a, 64 bits): which list a result was computed on.
    pub fn digest(&self) -> u64 {
        let mut digest = Fnv::new();
        for &ImagePair { first, second, same, fold } in &self.pairs {
            digest.add([first as u64, second as u64, u64::from(same), fold as u64]);
        }
        digest.value()
    }
}

/// Reads a list of pairs and its images, scaled and cropped to `shape` as [`load_class_folders`](crate::load_class_folders) does.
/// A line of `list` is `PATH PATH SAME FOLD`, between blanks: two images below `root`, `1` for the same person and
/// `0` otherwise, and a fold counted from 0 or from 1 throughout; empty lines and lines that begin with `#` are passed over. The lists
/// of LFW and YTF are brought into this form by a few lines of any language.
///
/// # Errors
/// A line of another form (by its number), no pair of a kind, folds with gaps, an image that is not there or that cannot be
/// decoded, unless `bad` says to skip it.
pub fn load_image_pairs(list: &Path, root: &Path, shape: ImageShape, bad: BadImages) -> Result<ImagePairs> {
    let text = read_list(list)?;
    let Parsed { paths, mut pairs, .. } = parse(list, &text)?;
    number_folds(list, &mut pairs)?;
    let paths: Vec<PathBuf> = paths.into_iter().map(|path| root.join(path)).collect();
    let Loaded { pixels, kept, skipped } =
        load_files(&paths.iter().map(PathBuf::as_path).collect::<Vec<_>>(), shape, bad)?;
    let place = |image: usize| kept.binary_search(&image).ok();
    let pairs = pairs
        .into_iter()
        .filter_map(|pair| Some(ImagePair { first: place(pair.first)?, second: place(pair.second)?, ..pair }))
        .collect();
    let images = ImageSet::new(shape, 2, pixels, vec![0; kept.len()]).map_err(|error| error.in_file(list))?;
    Ok(ImagePairs { images, pairs, skipped })
}

/// The text of a list.
pub(crate) fn read_list(list: &Path) -> Result<String> {
    fs::read_to_string(list).map_err(|error| Error::io("read", list, error))
}

/// What a list says.
pub(crate) struct Parsed<'a> {
    /// The different paths, in the order in which they occur first.
    pub(crate) paths: Vec<&'a str>,
    /// The line of each path, the first one, counted from 1.
    pub(crate) lines: Vec<usize>,
    /// The pairs, by places in `paths`.
    pub(crate) pairs: Vec<ImagePair>,
}

/// Reads the text of `list`.
pub(crate) fn parse<'a>(list: &Path, text: &'a str) -> Result<Parsed<'a>> {
    of_lines(text).map_err(|(line, found)| Error::Corrupt {
        path: list.to_path_buf(),
        expected: "lines `PATH PATH SAME FOLD`, SAME being 1 or 0 and FOLD a whole number below 1000".into(),
        found: format!("`{found}` in line {line}"),
        remedy: "correct the line or begin it with #",
    })
}

/// What the lines say, or the first of another form.
fn of_lines(text: &str) -> std::result::Result<Parsed<'_>, (usize, &str)> {
    let mut parsed = Parsed { paths: Vec::new(), lines: Vec::new(), pairs: Vec::new() };
    let mut places = HashMap::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let bad = (number + 1, line);
        let [first, second, same, fold] = line.split_whitespace().collect::<Vec<_>>()[..] else {
            return Err(bad);
        };
        let same = match same {
            "1" => true,
            "0" => false,
            _ => return Err(bad),
        };
        let fold = fold.parse().ok().filter(|fold| *fold < 1000).ok_or(bad)?;
        let mut place = |path| {
            *places.entry(path).or_insert_with(|| {
                parsed.paths.push(path);
                parsed.lines.push(number + 1);
                parsed.paths.len() - 1
            })
        };
        let (first, second) = (place(first), place(second));
        parsed.pairs.push(ImagePair { first, second, same, fold });
    }
    Ok(parsed)
}

/// Folds that count from 1 count from 0.
fn number_folds(list: &Path, pairs: &mut [ImagePair]) -> Result<()> {
    let mut folds: Vec<usize> = pairs.iter().map(|pair| pair.fold).collect();
    folds.sort_unstable();
    folds.dedup();
    let first = folds.first().copied().unwrap_or(0);
    let whole = folds.iter().enumerate().all(|(place, &fold)| fold == first + place) && first <= 1;
    if folds.len() < 2 || !whole {
        return Err(Error::Corrupt {
            path: list.to_path_buf(),
            expected: "pairs of at least two folds, numbered from 0 or from 1 without a gap".into(),
            found: format!("{} pairs of the folds {folds:?}", pairs.len()),
            remedy: "correct the last number of the lines",
        });
    }
    pairs.iter_mut().for_each(|pair| pair.fold -= first);
    Ok(())
}
