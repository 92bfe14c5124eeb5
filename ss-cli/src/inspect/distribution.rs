//! How the expected draws of an epoch are spread over the examples.

use serde::Serialize;
use ss_sampler::Weights;

/// Shares of the examples at which draws are given.
const QUANTILES: [f64; 7] = [0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0];
/// Shares of the examples, the most drawn ones, whose share of the draws is given.
const TOP: [f64; 3] = [0.01, 0.1, 0.5];
/// Between the bins of the histogram, beside one for no draws: close around 1, where uniform sampling lies.
const EDGES: [f64; 10] = [0.0, 0.1, 0.3, 0.6, 0.9, 1.1, 1.5, 2.0, 4.0, 10.0];

/// The expected draws `p n` of the examples in an epoch of as many draws as examples: 1 for all of them under uniform
/// sampling.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Distribution {
    /// Number of examples.
    pub examples: usize,
    /// Kish's effective sample size, in `[1, examples]`.
    pub effective_sample_size: f64,
    /// Examples that are never drawn.
    pub never_drawn: usize,
    /// From the least draws to the most.
    pub quantiles: Vec<Quantile>,
    /// What the most drawn examples take.
    pub top_shares: Vec<TopShare>,
    /// Examples by their draws, from the first bin that has any to the last.
    pub histogram: Vec<Bin>,
}

/// A share of the examples is drawn at most so often.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Quantile {
    /// Share of the examples, in `[0, 1]`.
    pub examples: f64,
    /// Draws of an epoch: the smallest number that so many of the examples do not exceed.
    pub draws: f64,
}

/// The most drawn share of the examples has this share of the probability.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct TopShare {
    /// Share of the examples, rounded up to whole ones.
    pub examples: f64,
    /// Share of the probability.
    pub probability: f64,
}

/// Examples with draws above `above` and up to `upto`; without `upto` all that are above; with `above` absent those
/// that are never drawn.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Bin {
    /// Lower end, not within.
    pub above: Option<f64>,
    /// Upper end, within.
    pub upto: Option<f64>,
    /// How many.
    pub examples: usize,
}

impl Distribution {
    /// Of these weights, in O(n).
    pub fn of(weights: &Weights) -> Self {
        let n = weights.len();
        // Divided first: the quotient of `n` and a tiny total may be infinite.
        let mut draws: Vec<f64> = weights.tau().iter().map(|tau| tau / weights.total() * n as f64).collect();
        let mut counts = [0; EDGES.len() + 1];
        for &draws in &draws {
            counts[EDGES.partition_point(|&edge| edge < draws)] += 1;
        }
        let all = counts.iter().enumerate().map(|(bin, &examples)| Bin {
            above: bin.checked_sub(1).map(|below| EDGES[below]),
            upto: EDGES.get(bin).copied(),
            examples,
        });
        let filled = |bin: &Bin| bin.examples > 0;
        let all: Vec<Bin> = all.collect();
        let (first, last) = (all.iter().position(filled), all.iter().rposition(filled));
        let histogram = all[first.unwrap_or(0)..=last.unwrap_or(0)].to_vec();

        let at = |share: f64| ((share * n as f64).ceil() as usize).clamp(1, n) - 1;
        let tops = TOP.map(|share| (n - ((share * n as f64).ceil() as usize).max(1), share));
        let mut places: Vec<usize> =
            QUANTILES.iter().map(|&share| at(share)).chain(tops.iter().map(|top| top.0)).collect();
        places.sort_unstable();
        places.dedup();
        put_in_place(&mut draws, &places);
        let share_from = |place: usize| (draws[place..].iter().sum::<f64>() / n as f64).min(1.0);
        Self {
            examples: n,
            effective_sample_size: weights.effective_sample_size(),
            never_drawn: n - weights.positive(),
            quantiles: QUANTILES
                .iter()
                .map(|&share| Quantile { examples: share, draws: draws[at(share)] })
                .collect(),
            top_shares: tops
                .iter()
                .map(|&(place, examples)| TopShare { examples, probability: share_from(place) })
                .collect(),
            histogram,
        }
    }
}

/// Moves values so that those at `places`, increasing, are where a sort would put them, with none larger before them and
/// none smaller after.
fn put_in_place(values: &mut [f64], places: &[usize]) {
    let Some(&middle) = places.get(places.len() / 2) else { return };
    let (left, _, right) = values.select_nth_unstable_by(middle, f64::total_cmp);
    put_in_place(left, &places[..places.len() / 2]);
    let right_places: Vec<usize> = places[places.len() / 2 + 1..].iter().map(|p| p - middle - 1).collect();
    put_in_place(right, &right_places);
}

impl Bin {
    /// Which draws these are, in words.
    pub(crate) fn label(&self) -> String {
        match (self.above, self.upto) {
            (None, _) => "never".into(),
            (Some(0.0), _) => format!("up to {}", EDGES[1]),
            (Some(above), Some(upto)) => format!("{above} to {upto}"),
            (Some(above), None) => format!("above {above}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reference: NumPy 2.4.6, `tests/oracle/weights.py`.
    #[test]
    fn as_numpy() {
        let tau = (0..1000).map(|i| f64::from((i * 7919 % 1000 - 200).max(0)).powf(1.5)).collect();
        let found = Distribution::of(&Weights::new(tau).unwrap());
        let draws: Vec<f64> = found.quantiles.iter().map(|q| q.draws).collect();
        for (found, expected) in draws.iter().zip([
            0.0,
            0.0,
            0.04744473947381193,
            0.7151559045243518,
            1.7793134548972263,
            2.8354152621968876,
            3.124022226759717,
        ]) {
            assert!((found - expected).abs() < 1e-9, "{draws:?}");
        }
        for (found, expected) in
            found.top_shares.iter().zip([0.030976826765000368, 0.28398339554218, 0.9141094804135764])
        {
            assert!((found.probability - expected).abs() < 1e-9, "{found:?}");
        }
        assert!((found.effective_sample_size - 511.6801464863403).abs() < 1e-6);
        assert_eq!(found.never_drawn, 201);
        let bins: Vec<usize> = found.histogram.iter().map(|bin| bin.examples).collect();
        assert_eq!(bins, [201, 80, 87, 98, 83, 50, 91, 104, 206]);
    }

    #[test]
    fn uniform_weights_are_drawn_once() {
        for n in [1, 2, 99] {
            let found = Distribution::of(&Weights::uniform(n).unwrap());
            assert!(found.quantiles.iter().all(|q| (q.draws - 1.0).abs() < 1e-12));
            assert_eq!(found.histogram, [Bin { above: Some(0.9), upto: Some(1.1), examples: n }]);
            assert_eq!(found.top_shares[2].probability, n.div_ceil(2) as f64 / n as f64);
        }
    }
}
