//! The least sampled instances, as one self-contained SVG drawing: each image whole, with a box around the crop.

use anyhow::{Result, anyhow};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use maud::html;
use ss_cli::FolderParts;
use ss_seed::Seed;

use super::is_wrong;

/// Pixels of the longer side of an image.
const IMAGE: u32 = 128;
const GAP: u32 = 10;
/// Below an image: three lines.
const CAPTION: u32 = 49;
/// Letters of a class name that fit there.
const LETTERS: usize = 14;
const COLUMNS: u32 = 8;
const HEAD: u32 = 54;
const INK: &str = "#222222";
/// What is wrong: Okabe and Ito's vermillion.
const WRONG: &str = "#d55e00";
/// The boxes of the paper.
const BOX: &str = "#ffd700";

/// The instances of the `count` smallest values, smallest first; of equal ones those that the seed puts first, so that not all
/// of them are from the same class.
pub(super) fn least(relative: &[f64], ids: &[u64], count: usize, seed: Seed) -> Vec<usize> {
    let ties = seed.stream("figure2-ties");
    let mut order: Vec<usize> = (0..relative.len()).collect();
    order.sort_by(|&a, &b| {
        let key = |i: usize| ties.index(ids[i]).hash();
        relative[a].total_cmp(&relative[b]).then(key(a).cmp(&key(b)))
    });
    order.truncate(count);
    order
}

/// Draws the instances `which`, row by row, below two lines of text.
pub(super) fn draw(
    [title, origin]: [&str; 2],
    parts: &FolderParts,
    which: &[usize],
    relative: &[f64],
) -> Result<String> {
    let columns = COLUMNS.min(which.len() as u32).max(1);
    let rows = (which.len() as u32).div_ceil(columns);
    let width = (GAP + columns * (IMAGE + GAP)).max(720);
    let height = HEAD + rows * (IMAGE + CAPTION + GAP) + GAP;
    let mut pictures = Vec::with_capacity(which.len());
    for (place, &i) in which.iter().enumerate() {
        let (column, row) = (place as u32 % columns, place as u32 / columns);
        let at = (GAP + column * (IMAGE + GAP), HEAD + row * (IMAGE + CAPTION + GAP));
        pictures.push(picture(parts, i, relative[i], at)?);
    }
    let svg = html! {
        svg xmlns="http://www.w3.org/2000/svg" width=(width) height=(height)
            viewBox=(format!("0 0 {width} {height}")) font-family="sans-serif" {
            rect width=(width) height=(height) fill="white" {}
            text x=(GAP) y="22" font-size="15" fill=(INK) { (title) }
            text x=(GAP) y="42" font-size="12" fill=(INK) { (origin) }
            @for picture in &pictures { (picture) }
        }
    };
    Ok(svg.into_string() + "\n")
}

fn picture(parts: &FolderParts, i: usize, relative: f64, (x, y): (u32, u32)) -> Result<maud::Markup> {
    let (image, area) = parts.train.part(i);
    let images = parts.train.images();
    let decoded = images.decode(image)?;
    let scale = f64::from(IMAGE) / f64::from(decoded.width().max(decoded.height()));
    let scaled = |side: u32| f64::from(side) * scale;
    let (width, height) = (scaled(decoded.width()), scaled(decoded.height()));
    // Small images are scaled by whoever shows the drawing, pixel by pixel.
    let shown = if scale < 1.0 {
        let side = |side: f64| (side.round() as u32).max(1);
        decoded.resized(decoded.whole(), side(width), side(height))
    } else {
        decoded.as_ref().clone()
    };
    let png = shown.to_png().map_err(|reason| anyhow!("{}: {reason}", images.path(image).display()))?;
    let uri = format!("data:image/png;base64,{}", STANDARD.encode(png));
    let name = |label: u32| shortened(&images.class_names()[label as usize]);
    let (label, truth) = (name(parts.train.labels()[i]), name(parts.true_labels[i]));
    let wrong = is_wrong(parts, i);
    let (x, y) = (f64::from(x), f64::from(y));
    let left = x + (f64::from(IMAGE) - width) / 2.0;
    let below = y + f64::from(IMAGE);
    let number = |value: f64| format!("{value:.1}");
    let line = |k: u32| number(below + 14.0 + 15.0 * f64::from(k));
    Ok(html! {
        g {
            title { (images.path(image).display()) }
            image x=(number(left)) y=(number(y)) width=(number(width)) height=(number(height))
                image-rendering="pixelated" href=(uri) {}
            @if let Some(area) = area {
                rect x=(number(left + scaled(area.left))) y=(number(y + scaled(area.top)))
                    width=(number(scaled(area.width))) height=(number(scaled(area.height)))
                    fill="none" stroke=(BOX) stroke-width="2.5" {}
            }
            text x=(number(x)) y=(line(0)) font-size="12" fill=(if wrong { WRONG } else { INK }) {
                (label) @if wrong { " (wrong)" }
            }
            @if wrong {
                text x=(number(x)) y=(line(1)) font-size="12" fill=(INK) { "really " (truth) }
            }
            text x=(number(x)) y=(line(if wrong { 2 } else { 1 })) font-size="12" fill=(INK) {
                (format!("x {relative:.2}"))
            }
        }
    })
}

/// A name, of which the end is left out where it is long.
fn shortened(name: &str) -> String {
    if name.chars().count() <= LETTERS {
        return name.to_owned();
    }
    name.chars().take(LETTERS - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_shortened() {
        assert_eq!(shortened("pickup truck"), "pickup truck");
        assert_eq!(shortened("fourteen chars"), "fourteen chars");
        assert_eq!(shortened("fifteen letters"), "fifteen lette…");
    }

    #[test]
    fn the_smallest_come_first_and_ties_are_mixed() {
        let ids: Vec<u64> = (0..100).collect();
        let mut values = vec![1.0; 100];
        (values[70], values[30]) = (0.0, 0.5);
        let found = least(&values, &ids, 12, Seed::new(0));
        assert_eq!((found.len(), found[0], found[1]), (12, 70, 30));
        assert!(!found[2..].is_sorted());
        assert_eq!(found[..5], least(&values, &ids, 5, Seed::new(0)));
        assert_ne!(found, least(&values, &ids, 12, Seed::new(1)));
        assert_eq!(least(&values, &ids, 1000, Seed::new(0)).len(), 100);
    }
}
