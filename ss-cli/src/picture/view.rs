//! What the drawings of a sampler are made from: small, whatever the size of the dataset, so that it can be kept.

use serde::{Deserialize, Serialize};
use ss_sampler::{RankedFeatures, SamplerParams, SamplerSpec, Weights};

use crate::Result;

/// At most this many examples are drawn as points, to bound the size of a file.
const MOST_POINTS: usize = 3000;
/// Bins of the histogram over the rank of the first feature.
pub(super) const BINS: usize = 20;
/// Cells along each side of the map of wrong labels.
pub(super) const CELLS: usize = 12;
/// Characters of a feature's name that fit beside a plot.
const MOST_NAME: usize = 24;
/// Characters that fit in the line below a title.
const MOST_LINE: usize = 48;

/// A rule and what it does to the examples that it was searched on.
///
/// Ranks are mid-ranks in `(0, 1)`; *relative* stands for `p n`, the sampling probability over that of uniform
/// sampling: 1 where an example is drawn as often as there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SamplerView {
    pub(super) spec: SamplerSpec,
    /// In canonical form, the one that the weights are computed from.
    pub(super) params: SamplerParams,
    /// The largest `p n`, at least 1.
    pub(super) top: f64,
    /// Examples, evenly strided.
    pub(super) points: Vec<Point>,
    /// What happens to wrong labels; absent where nobody knows which are.
    pub(super) labels: Option<Labels>,
}

/// One example.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Point {
    /// Ranks of the first feature and of the second; without a second, 1/2.
    pub(super) at: (f64, f64),
    pub(super) relative: f64,
}

/// Counts of clean and wrong labels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Labels {
    pub(super) bins: Bins,
    /// `[all, wrong]` by the ranks of the first two features, `[CELLS][CELLS]`, by column; empty with one feature.
    pub(super) cells: Vec<[usize; 2]>,
}

/// Counts by the rank of the first feature.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Bins {
    pub(super) clean: [usize; BINS],
    pub(super) wrong: [usize; BINS],
    /// Sum of `p n`.
    pub(super) relative: [f64; BINS],
}

impl SamplerView {
    /// What can be seen of the sampler `params` with these `weights`.
    ///
    /// `wrong`, `[n]`, is true where a label is known to be wrong.
    ///
    /// # Errors
    /// Parameters that do not fit the spec of `ranked`; `weights` or `wrong` of another length than it.
    pub fn new(
        ranked: &RankedFeatures,
        params: &SamplerParams,
        weights: &Weights,
        wrong: Option<&[bool]>,
    ) -> Result<Self> {
        let features = ranked.spec().features().len().min(2);
        let ranks: Vec<Vec<f64>> = (0..features).map(|k| ranked.mid_ranks(k).collect()).collect();
        Self::of_ranks(ranked.spec(), params, &ranks, weights, wrong)
    }

    /// As [`new`](Self::new), of examples with these mid-ranks, each `[n]`, of the first two features, or of the one that
    /// there is.
    ///
    /// # Errors
    /// Parameters that do not fit the spec; ranks, `weights` or `wrong` of different lengths; other numbers of ranks.
    pub fn of_ranks(
        spec: &SamplerSpec,
        params: &SamplerParams,
        ranks: &[Vec<f64>],
        weights: &Weights,
        wrong: Option<&[bool]>,
    ) -> Result<Self> {
        params.check(spec)?;
        same_length("features with ranks", ranks.len(), spec.features().len().min(2))?;
        let n = ranks[0].len();
        same_length("weights", weights.len(), n)?;
        if let Some(second) = ranks.get(1) {
            same_length("ranks of the second feature", second.len(), n)?;
        }
        if let Some(wrong) = wrong {
            same_length("marks of wrong labels", wrong.len(), n)?;
        }
        let relative: Vec<f64> = (0..n).map(|i| weights.probability(i) * n as f64).collect();
        let middle = vec![0.5; if ranks.len() > 1 { 0 } else { n }];
        let (first, second) = (&ranks[0], ranks.get(1).unwrap_or(&middle));
        let points = first.iter().zip(second).zip(&relative).step_by(n.div_ceil(MOST_POINTS));
        let points =
            points.map(|((&x, &y), &relative)| Point { at: (short(x), short(y)), relative: short(relative) });
        let labels = wrong.map(|wrong| Labels {
            bins: Bins::new(first.iter().copied(), &relative, wrong),
            cells: if ranks.len() > 1 { cells(first.iter().copied(), second, wrong) } else { Vec::new() },
        });
        Ok(Self {
            spec: spec.clone(),
            params: params.canonical(),
            top: relative.iter().copied().fold(1.0, f64::max),
            points: points.collect(),
            labels,
        })
    }

    /// Checks what a file may have got wrong.
    ///
    /// # Errors
    /// Parameters that do not fit the spec.
    pub(crate) fn check(&self) -> Result<()> {
        Ok(self.params.check(&self.spec)?)
    }

    /// Names of the features in words.
    pub(super) fn names(&self) -> Vec<String> {
        self.spec.features().iter().map(|name| in_words(name)).collect()
    }

    /// Whether the rule draws every example alike.
    pub(crate) fn is_uniform(&self) -> bool {
        self.params.coefficients().iter().all(|&c| c == 0.0)
    }

    /// Whether it is known which labels are wrong.
    pub(crate) fn knows_wrong_labels(&self) -> bool {
        self.labels.is_some()
    }

    /// The rule without any examples.
    pub(super) fn of_rule(spec: &SamplerSpec, params: &SamplerParams) -> Result<Self> {
        params.check(spec)?;
        Ok(Self {
            spec: spec.clone(),
            params: params.canonical(),
            top: 1.0,
            points: Vec::new(),
            labels: None,
        })
    }

    /// The linear combination of ranks that the rule orders the examples by.
    pub(crate) fn order_in_words(&self) -> String {
        if self.is_uniform() {
            return "every example is drawn alike".into();
        }
        let mut out = "order by rank:".to_owned();
        for (k, (&c, name)) in self.params.coefficients().iter().zip(&self.names()).enumerate() {
            let sign = match (c < 0.0, k) {
                (true, _) => " −",
                (false, 0) => "",
                (false, _) => " +",
            };
            let term = format!("{sign} {:.2} {}", c.abs(), name.trim_start_matches("renormalised "));
            // Two characters stay free for the ellipsis.
            if k > 0 && out.chars().count() + term.chars().count() + 2 > MOST_LINE {
                return out + " …";
            }
            out += &term;
        }
        out
    }
}

impl Bins {
    fn new(ranks: impl Iterator<Item = f64>, relative: &[f64], wrong: &[bool]) -> Self {
        let mut bins = Self { clean: [0; BINS], wrong: [0; BINS], relative: [0.0; BINS] };
        for ((rank, relative), &wrong) in ranks.zip(relative).zip(wrong) {
            // Mid-ranks are below 1.
            let bin = (rank * BINS as f64) as usize;
            if wrong {
                bins.wrong[bin] += 1
            } else {
                bins.clean[bin] += 1
            }
            bins.relative[bin] += relative;
        }
        bins
    }

    /// Mean of `p n`, none in an empty bin.
    pub(super) fn mean(&self, bin: usize) -> Option<f64> {
        let all = self.clean[bin] + self.wrong[bin];
        (all > 0).then(|| self.relative[bin] / all as f64)
    }
}

fn cells(x: impl Iterator<Item = f64>, y: &[f64], wrong: &[bool]) -> Vec<[usize; 2]> {
    let mut cells = vec![[0; 2]; CELLS * CELLS];
    let along = |rank: f64| (rank * CELLS as f64) as usize;
    for ((x, &y), &wrong) in x.zip(y).zip(wrong) {
        let [all, bad] = &mut cells[along(x) * CELLS + along(y)];
        *all += 1;
        *bad += usize::from(wrong);
    }
    cells
}

/// Four digits after the point: finer than a pixel, and short in a file.
fn short(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

/// A feature's name as labels show it; a long one is cut.
pub(super) fn in_words(feature: &str) -> String {
    match feature {
        "renormed_entropy" => "renormalised entropy E'".into(),
        "grad_norm" => "gradient norm".into(),
        "el2n" => "error norm (EL2N)".into(),
        other if other.chars().count() > MOST_NAME => {
            other.chars().take(MOST_NAME - 1).chain(['…']).collect()
        }
        other => other.into(),
    }
}

fn same_length(what: &str, found: usize, expected: usize) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    Err(ss_sampler::Error::Length { what: what.into(), found, expected }.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_count_clean_and_wrong_examples() {
        let ranks = [0.01, 0.02, 0.99];
        let bins = Bins::new(ranks.into_iter(), &[2.0, 1.0, 0.0], &[false, true, true]);
        assert_eq!((bins.clean[0], bins.wrong[0], bins.wrong[BINS - 1]), (1, 1, 1));
        assert_eq!((bins.mean(0), bins.mean(1), bins.mean(BINS - 1)), (Some(1.5), None, Some(0.0)));
    }

    #[test]
    fn cells_count_by_both_ranks() {
        let cells = cells([0.01, 0.02, 0.99].into_iter(), &[0.99, 0.98, 0.01], &[false, true, true]);
        assert_eq!((cells[CELLS - 1], cells[(CELLS - 1) * CELLS]), ([2, 1], [1, 1]));
        assert_eq!(cells.iter().map(|cell| cell[0]).sum::<usize>(), 3);
    }
}
