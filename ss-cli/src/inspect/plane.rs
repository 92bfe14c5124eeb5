//! A quantity over the ranks of two features, as cells.

use serde::Serialize;
use ss_sampler::{Sampler, Weights};

use crate::Result;

/// Cells along the first feature.
const ACROSS: usize = 36;
/// Cells along the second feature.
const UP: usize = 12;

/// Means over the plane of the ranks of two features.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plane {
    /// The feature along the first axis.
    pub x: String,
    /// The feature along the second axis.
    pub y: String,
    /// `[columns][rows]`, from the smallest ranks on; absent where no example lies.
    pub cells: Vec<Vec<Option<f64>>>,
    /// What a cell holds.
    pub quantity: &'static str,
}

impl Plane {
    /// What the cells of [`of_rule`](Self::of_rule) hold.
    pub const WEIGHT: &str = "weight, 1 where drawn most";
    /// What the cells of [`of_weights`](Self::of_weights) hold.
    pub const DRAWS: &str = "draws an epoch, 1 under uniform sampling";

    /// The weight of a sampler over the ranks of its first two features, all others at their medians; none where it has
    /// one feature.
    ///
    /// # Errors
    /// None in practice: the ranks are those of the sampler's features.
    pub fn of_rule(sampler: &Sampler) -> Result<Option<Self>> {
        let [x, y, ..] = sampler.spec().features() else { return Ok(None) };
        let mut ranks = vec![0.5; sampler.spec().features().len()];
        let middle = |k: usize, count: usize| (k as f64 + 0.5) / count as f64;
        let mut cells = vec![vec![None; UP]; ACROSS];
        for (column, cells) in cells.iter_mut().enumerate() {
            for (row, cell) in cells.iter_mut().enumerate() {
                (ranks[0], ranks[1]) = (middle(column, ACROSS), middle(row, UP));
                *cell = Some(sampler.tau_at_ranks(&ranks)?);
            }
        }
        Ok(Some(Self { x: x.clone(), y: y.clone(), cells, quantity: Self::WEIGHT }))
    }

    /// The mean number of draws of an epoch over the ranks, each `[n]` in `(0, 1)`, of two features.
    pub fn of_weights(names: [&str; 2], ranks: [&[f64]; 2], weights: &Weights) -> Self {
        let mut sums = vec![vec![(0.0, 0_usize); UP]; ACROSS];
        let n = weights.len() as f64;
        for (i, (x, y)) in ranks[0].iter().zip(ranks[1]).enumerate() {
            // Mid-ranks are below 1.
            let (sum, count) = &mut sums[(x * ACROSS as f64) as usize][(y * UP as f64) as usize];
            *sum += weights.probability(i) * n;
            *count += 1;
        }
        let mean = |&(sum, count): &(f64, usize)| (count > 0).then(|| sum / count as f64);
        Self {
            x: names[0].to_owned(),
            y: names[1].to_owned(),
            cells: sums.iter().map(|column| column.iter().map(mean).collect()).collect(),
            quantity: Self::DRAWS,
        }
    }

    /// The largest mean, at least one where cells hold draws.
    pub(crate) fn top(&self) -> f64 {
        self.cells.iter().flatten().flatten().copied().fold(1.0, f64::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_hold_the_mean_draws_of_their_examples() {
        let weights = Weights::new(vec![1.0, 3.0, 0.0]).unwrap();
        let (x, y) = ([0.01, 0.02, 0.99], [0.99, 0.95, 0.01]);
        let plane = Plane::of_weights(["loss", "margin"], [&x, &y], &weights);
        assert_eq!(plane.cells[0][UP - 1], Some(1.5), "draws 0.75 and 2.25");
        assert_eq!(plane.cells[ACROSS - 1][0], Some(0.0));
        assert_eq!(plane.cells.iter().flatten().flatten().count(), 2);
        assert_eq!(plane.top(), 1.5);
    }
}
