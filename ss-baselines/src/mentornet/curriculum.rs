//! The predefined curricula, and the grid of rows on which a mentor learns one.

use rand::seq::index;
use ss_seed::Seed;

use super::Row;
use crate::{Error, Result};

/// A curriculum that is known as a formula. The paper and the code that its authors released differ.
///
/// ```
/// use ss_baselines::mentornet::Predefined;
///
/// # fn main() -> Result<(), ss_baselines::Error> {
/// let paper = Predefined::paper(1.0, 2.0)?;
/// assert_eq!(paper.weight(0.5, 0.0, 50), 1.0);
/// assert_eq!(paper.weight(2.0, 0.0, 50), 0.5);
/// assert_eq!(paper.weight(4.0, 0.0, 50), 0.0);
///
/// let released = Predefined::released(1.0)?;
/// assert_eq!(released.weight(9.0, 4.0, 10), 1.0); // burn-in
/// assert_eq!(released.weight(9.0, 0.25, 50), 0.0); // hard threshold
/// assert_eq!(released.weight(9.0, 0.25, 95), 0.75); // linear
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Predefined(Form);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Form {
    Paper { lambda1: f32, lambda2: f32 },
    Released { gamma: f32 },
}

impl Predefined {
    /// The paper's form, a function of the loss alone: `clip(1 - (loss - lambda1) / lambda2, 0, 1)`, and for `lambda2 = 0`
    /// its limit, 1 where `loss <= lambda1` and 0 elsewhere. Both are in nats.
    ///
    /// # Errors
    /// [`Error::InvalidSetting`] for a `lambda1` that is not finite and a `lambda2` that is not finite or negative.
    pub fn paper(lambda1: f32, lambda2: f32) -> Result<Self> {
        if !lambda1.is_finite() {
            return invalid("lambda1", lambda1, "a finite loss in nats");
        }
        if !(lambda2.is_finite() && lambda2 >= 0.0) {
            return invalid("lambda2", lambda2, "a finite width in nats, at least 0 (0 is a hard threshold)");
        }
        Ok(Self(Form::Paper { lambda1, lambda2 }))
    }

    /// The released code's form (`vstar_mentornet_pd`): weight 1 up to epoch 18%; until 90%, 1 where the difference to the moving
    /// average is at most 0 and 0 elsewhere; from 90% on `clip(1 - difference / gamma, 0, 1)`. Its command uses `gamma = 1`
    /// (nats).
    ///
    /// # Errors
    /// [`Error::InvalidSetting`] for a `gamma` that is not finite and positive.
    pub fn released(gamma: f32) -> Result<Self> {
        if !(gamma.is_finite() && gamma > 0.0) {
            return invalid("gamma", gamma, "a finite positive width in nats such as 1");
        }
        Ok(Self(Form::Released { gamma }))
    }

    /// The weight, in `[0, 1]`, of an example of this loss (nats), difference of the loss to its moving average (nats) and
    /// share of the training that is done (percent).
    pub fn weight(&self, loss: f32, loss_difference: f32, epoch_percent: u32) -> f32 {
        match self.0 {
            Form::Paper { lambda1, lambda2: 0.0 } => threshold(loss - lambda1),
            Form::Paper { lambda1, lambda2 } => (1.0 - (loss - lambda1) / lambda2).clamp(0.0, 1.0),
            Form::Released { .. } if epoch_percent <= BURN_IN_END => 1.0,
            Form::Released { .. } if epoch_percent < LINEAR_START => threshold(loss_difference),
            Form::Released { gamma } => (1.0 - loss_difference / gamma).clamp(0.0, 1.0),
        }
    }

    /// What a mentor learns the curriculum from: `count` rows drawn without repetition, and their weights.
    ///
    /// They come from the released code's grid of 1,200,000: losses 0 to 10 by 0.1 and 10 to 30 by 1, differences -5 to 5 by
    /// 0.1, epoch percents 0 to 99, label 0. It draws 100,000.
    ///
    /// # Errors
    /// [`Error::InvalidSetting`] for a `count` of 0 or beyond the grid.
    pub fn examples(&self, count: usize, seed: Seed) -> Result<(Vec<Row>, Vec<f32>)> {
        let grid = LOSSES * DIFFERENCES * PERCENTS;
        if !(1..=grid).contains(&count) {
            return Err(Error::InvalidSetting {
                setting: "count",
                found: count.to_string(),
                expected: "1 to 1200000 rows such as 100000",
            });
        }
        let mut rng = seed.stream("mentornet-grid").rng();
        let rows: Vec<Row> = index::sample(&mut rng, grid, count).into_iter().map(grid_row).collect();
        let weights =
            rows.iter().map(|row| self.weight(row.loss, row.difference, row.epoch_percent)).collect();
        Ok((rows, weights))
    }
}

/// The last epoch percent at which the released code weights all examples alike.
const BURN_IN_END: u32 = 18;
/// The first epoch percent at which its threshold is soft.
const LINEAR_START: u32 = 90;

const LOSSES: usize = 120;
const DIFFERENCES: usize = 100;
const PERCENTS: usize = 100;

/// The row number `i` of the grid; the epoch percent runs fastest.
fn grid_row(i: usize) -> Row {
    let (i, percent) = (i / PERCENTS, i % PERCENTS);
    let (loss, difference) = (i / DIFFERENCES, i % DIFFERENCES);
    Row {
        loss: if loss < 100 { loss as f32 / 10.0 } else { (loss - 90) as f32 },
        difference: (difference as f32 - 50.0) / 10.0,
        label: 0,
        epoch_percent: percent as u32,
    }
}

fn threshold(excess: f32) -> f32 {
    if excess <= 0.0 { 1.0 } else { 0.0 }
}

fn invalid<T>(setting: &'static str, found: f32, expected: &'static str) -> Result<T> {
    Err(Error::InvalidSetting { setting, found: found.to_string(), expected })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn weights_fall_from_one_to_zero_with_the_loss(
            loss in 0f32..30.0, more in 0f32..30.0, percent in 0u32..100, lambda1 in -1f32..5.0,
            lambda2 in prop_oneof![Just(0f32), 0.01f32..5.0],
        ) {
            for curriculum in [
                Predefined::paper(lambda1, lambda2).unwrap(),
                Predefined::released(lambda2.max(0.01)).unwrap(),
            ] {
                let weight = |loss: f32| curriculum.weight(loss, loss - lambda1, percent);
                prop_assert!((0.0..=1.0).contains(&weight(loss)));
                prop_assert!(weight(loss + more) <= weight(loss));
                prop_assert_eq!(curriculum.weight(lambda1, 0.0, percent), 1.0);
            }
        }

        #[test]
        fn the_hard_threshold_is_the_limit_of_the_soft_one(loss in 0f32..5.0, lambda1 in 0f32..5.0) {
            prop_assume!((loss - lambda1).abs() > 1e-3);
            let soft = Predefined::paper(lambda1, 1e-6).unwrap().weight(loss, 0.0, 50);
            prop_assert_eq!(soft, Predefined::paper(lambda1, 0.0).unwrap().weight(loss, 0.0, 50));
        }
    }

    #[test]
    fn the_released_form_equals_the_released_code() {
        // `vstar_mentornet_pd` of google/mentornet (code/training_mentornet/models.py) run on these rows with gamma 1,
        // NumPy 2.4.6: tests/oracle/mentornet.py.
        let curriculum = Predefined::released(1.0).unwrap();
        for (difference, percent, expected) in [
            (2.0, 0, 1.0),
            (2.0, 18, 1.0),
            (2.0, 19, 0.0),
            (0.0, 19, 1.0),
            (0.3, 89, 0.0),
            (-0.3, 89, 1.0),
            (0.3, 90, 0.7),
            (-0.3, 99, 1.0),
            (1.5, 99, 0.0),
        ] {
            let found = curriculum.weight(3.0, difference, percent);
            assert!((found - expected).abs() < 1e-6, "{difference} {percent}: {found}");
        }
    }

    #[test]
    fn the_grid_is_that_of_the_released_code() {
        let (rows, weights) = Predefined::released(1.0).unwrap().examples(1_200_000, Seed::new(0)).unwrap();
        // Sums over the grid and its weights in NumPy 2.4.6: tests/oracle/mentornet.py.
        let sum = |f: fn(&Row) -> f64| rows.iter().map(f).sum::<f64>();
        assert!((sum(|r| f64::from(r.loss)) - 8_850_000.0).abs() < 1.0);
        assert!((sum(|r| f64::from(r.difference)) + 60_000.0).abs() < 1.0);
        assert_eq!(sum(|r| f64::from(r.epoch_percent)), 59_400_000.0);
        let total: f64 = weights.iter().map(|w| f64::from(*w)).sum();
        assert!((total - 729_120.0).abs() < 1.0, "{total}");
        let mut seen: Vec<_> =
            rows.iter().map(|r| (r.loss.to_bits(), r.difference.to_bits(), r.epoch_percent)).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 1_200_000, "no row twice");
    }

    #[test]
    fn settings_out_of_range_are_named() {
        for (error, name) in [
            (Predefined::paper(f32::NAN, 1.0).unwrap_err(), "lambda1"),
            (Predefined::paper(1.0, -1.0).unwrap_err(), "lambda2"),
            (Predefined::released(0.0).unwrap_err(), "gamma"),
        ] {
            assert!(error.to_string().contains(name), "{error}");
        }
        let curriculum = Predefined::released(1.0).unwrap();
        assert!(curriculum.examples(0, Seed::new(0)).is_err());
        assert!(curriculum.examples(1_200_001, Seed::new(0)).is_err());
    }
}
