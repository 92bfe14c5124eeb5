//! The colours of the drawings, and the names under which a page may change them.
//!
//! A drawing that stands alone shows its colours on white. On a page that follows light and dark, each colour is a
//! CSS custom property instead: `--ink`, `--grid`, `--clean`, `--wrong`, `--level-0` to `--level-16`, `--series-0` to
//! `--series-7`.

use plotters::style::RGBColor;

pub(super) const INK: RGBColor = RGBColor(34, 34, 34);
/// Lines of the grid.
pub(super) const FAINT: RGBColor = RGBColor(232, 232, 232);
/// The rule has the colour of the examples that are drawn most.
pub(super) const RULE: RGBColor = RGBColor(13, 8, 135);
/// Tints of Okabe and Ito's blue and vermilion, which all kinds of colour vision tell apart.
pub(super) const CLEAN: RGBColor = RGBColor(153, 199, 224);
pub(super) const WRONG: RGBColor = RGBColor(230, 159, 115);

/// Anchors at equal steps of the map "plasma" of Matplotlib (van der Walt and Smith), from 0.8 down to 0: of
/// increasing contrast on white, and told apart by all kinds of colour vision.
const ANCHORS: [(u8, u8, u8); 9] = [
    (252, 166, 54),
    (242, 132, 75),
    (225, 100, 98),
    (204, 71, 120),
    (177, 42, 144),
    (143, 13, 164),
    (106, 0, 168),
    (65, 4, 157),
    (13, 8, 135),
];

/// Colours of the map: the anchors and one between each two.
pub(super) const LEVELS: usize = 2 * ANCHORS.len() - 1;

/// Colours for lines that are told apart by name, after Okabe and Ito (2008); the first is near black.
const SERIES: [RGBColor; 8] = [
    RGBColor(40, 40, 40),
    RGBColor(0, 158, 115),
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(130, 115, 30),
];

/// The colour of a share in `[0, 1]`: the nearest of [`LEVELS`].
pub(super) fn colour(share: f64) -> RGBColor {
    level((share.clamp(0.0, 1.0) * (LEVELS - 1) as f64).round() as usize)
}

fn level(number: usize) -> RGBColor {
    let (a, b) = (ANCHORS[number / 2], ANCHORS[number.div_ceil(2)]);
    let between = |a: u8, b: u8| ((f64::from(a) + f64::from(b)) / 2.0).round() as u8;
    RGBColor(between(a.0, b.0), between(a.1, b.1), between(a.2, b.2))
}

/// The colour of line number `k`; they repeat after eight.
pub(super) fn series(k: usize) -> RGBColor {
    SERIES[k % SERIES.len()]
}

/// The name of the colour of line number `k` on a page.
pub(crate) fn series_name(k: usize) -> String {
    format!("--series-{}", k % SERIES.len())
}

/// The same drawing with names in the place of colours.
pub(super) fn named(svg: &str) -> String {
    let fixed = [("--ink", INK), ("--grid", FAINT), ("--clean", CLEAN), ("--wrong", WRONG)];
    let fixed = fixed.map(|(name, colour)| (name.to_owned(), colour));
    let levels = (0..LEVELS).map(|k| (format!("--level-{k}"), level(k)));
    let series = (0..SERIES.len()).map(|k| (series_name(k), series(k)));
    // A quotation mark within a text is escaped, so only attributes match.
    fixed.into_iter().chain(levels).chain(series).fold(svg.to_owned(), |svg, (name, colour)| {
        let RGBColor(red, green, blue) = colour;
        svg.replace(&format!("\"#{red:02X}{green:02X}{blue:02X}\""), &format!("\"var({name})\""))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn colours_run_through_their_anchors() {
        assert_eq!((colour(0.0), colour(1.0), colour(7.0)), (RGBColor(252, 166, 54), RULE, RULE));
        assert_eq!(colour(0.5), RGBColor(177, 42, 144));
        // Half-way between the first two.
        assert_eq!(colour(1.0 / 16.0), RGBColor(247, 149, 65));
    }

    #[test]
    fn every_colour_has_one_name() {
        let levels = (0..LEVELS).map(level);
        let all: Vec<_> = levels.chain(SERIES).chain([INK, FAINT, CLEAN, WRONG]).collect();
        let distinct: BTreeSet<_> = all.iter().map(|c| (c.0, c.1, c.2)).collect();
        assert_eq!(distinct.len(), all.len());
        assert_eq!(named("<a fill=\"#222222\">#222222</a>"), "<a fill=\"var(--ink)\">#222222</a>");
        assert_eq!(named("<a fill=\"#0D0887\"/>"), "<a fill=\"var(--level-16)\"/>");
    }
}
