//! Features ranked once, for many candidate samplers.

use rayon::prelude::*;

use crate::coordinate::{integer_coefficients, mid_mass, score_range};
use crate::masses::GradientMass;
use crate::mid_ranks::{Ranking, check_column, check_finite, first_row_where};
use crate::params::canonical_coefficients;
use crate::partition::{BucketOrder, Partition, bucket_bits, cut, sums_before};
use crate::{Error, Result, SamplerParams, SamplerSpec, Transform, Weights};

/// Rows handed to a thread at a time.
const CHUNK: usize = 1 << 13;

/// The mid-ranks of every feature and the gradient norms of `n` examples: all that a candidate sampler needs.
///
/// Memory: 4 bytes an example and feature, and 4 for the gradient norm, in which the features are ranked before. Each
/// evaluation takes another 16, of which 8 are the result. Holds up to 2^31 - 1 examples.
///
/// Time: a few passes over memory for each column and each evaluation, whatever the number of examples. They slow down
/// to a parallel sort where `z` crowds into a small part of its range.
#[derive(Clone, Debug)]
pub struct RankedFeatures {
    spec: SamplerSpec,
    examples: usize,
    ranks: Vec<Vec<u32>>,
    gradient: Option<GradientMass>,
}

impl RankedFeatures {
    /// Ranks `columns` (one for each feature of the spec, in its order, each `[n]`).
    ///
    /// `grad_norm` `[n]` holds the per-example gradient norms of the cgf, `>= 0`. When all are zero there is
    /// no gradient to accumulate and the cgf is taken as for equal gradients, which is the cdf. A spec with
    /// [`Transform::Cdf`] does not use them and accepts an empty slice.
    ///
    /// # Errors
    /// Another number of columns than features; no rows, or 2^31 or more; lengths that differ; NaN or
    /// infinite values; negative gradient norms. Columns and rows are named.
    pub fn new(spec: SamplerSpec, columns: &[&[f32]], grad_norm: &[f32]) -> Result<Self> {
        check_columns(spec.features(), columns)?;
        for (name, column) in spec.features().iter().zip(columns) {
            check_column(column, &format!("feature `{name}`"))?;
        }
        let examples = columns[0].len();
        let needed = spec.transform() == Transform::Cgf || !grad_norm.is_empty();
        if needed && grad_norm.len() != examples {
            let what = "gradient norms".into();
            return Err(Error::Length { what, found: grad_norm.len(), expected: examples });
        }
        // One pass where all is well.
        if let Some(row) = first_row_where(grad_norm, |g| !(g.is_finite() && g >= 0.0)) {
            check_finite(grad_norm, "gradient norm")?;
            let value = grad_norm[row].into();
            return Err(Error::Negative { what: "gradient norm".into(), row, value });
        }
        let mut ranking = Ranking::default();
        let ranks = columns.iter().map(|column| ranking.doubled_mid_ranks(column)).collect();
        let gradient = match spec.transform() {
            Transform::Cgf => GradientMass::new(grad_norm, ranking.into_memory()),
            Transform::Cdf => None,
        };
        Ok(Self { spec, examples, ranks, gradient })
    }

    /// The spec these features were ranked for.
    pub const fn spec(&self) -> &SamplerSpec {
        &self.spec
    }

    /// Number of examples, at least one.
    #[allow(clippy::len_without_is_empty, reason = "there is always an example")]
    pub const fn len(&self) -> usize {
        self.examples
    }

    /// Mid-ranks in `(0, 1)` of the feature number `k`, `[n]`.
    ///
    /// # Panics
    /// If the spec has no feature `k`.
    pub fn mid_ranks(&self, k: usize) -> impl ExactSizeIterator<Item = f64> + '_ {
        let scale = 2.0 * self.examples as f64;
        self.ranks[k].iter().map(move |&r| f64::from(r) / scale)
    }

    /// The coordinate `u` in `[0, 1]` of every example, `[n]`: monotone in `z`, equal where `z` is equal.
    /// Coefficients that are all zero put every example at 1/2.
    ///
    /// # Errors
    /// Parameters that do not fit the spec.
    pub fn coordinate(&self, params: &SamplerParams) -> Result<Vec<f64>> {
        params.check(&self.spec)?;
        match canonical_coefficients(params.coefficients()) {
            None => Ok(vec![0.5; self.examples]),
            Some((scaled, mirrored)) => self.coordinate_of(&scaled, |u| if mirrored { 1.0 - u } else { u }),
        }
    }

    /// Weights of the sampler with these parameters, `[n]`.
    ///
    /// # Errors
    /// Parameters that do not fit the spec; [`Error::NoMass`] when the rule is zero at every example (it may
    /// be positive only where no example lies).
    pub fn weights(&self, params: &SamplerParams) -> Result<Weights> {
        params.check(&self.spec)?;
        let canonical = params.canonical();
        let rule = canonical.rule();
        Weights::new(self.coordinate_of(canonical.coefficients(), |u| rule.eval(u))?)
    }

    /// `value(u)` of every row, for canonical coefficients.
    ///
    /// Rows go to buckets by the leading bits of `z`, are put in order bucket by bucket, and take their values
    /// back.
    fn coordinate_of(&self, canonical: &[f64], value: impl Fn(f64) -> f64 + Sync) -> Result<Vec<f64>> {
        let coefficients = integer_coefficients(canonical, self.examples as u64)?;
        let (least, most) = score_range(&coefficients, 2 * self.examples as i64);
        let width = u64::BITS - (most - least).cast_unsigned().leading_zeros();
        let bits = bucket_bits(self.examples).min(width);
        let within = width - bits;
        let score = self.score(&coefficients);
        let key = |row: usize| (score(row) - least).cast_unsigned();
        let partition = Partition::new(self.examples, 1 << bits, |row| Some((key(row) >> within) as usize));
        let sizes = partition.sizes();
        // Fresh memory costs time, so both of these serve twice: keys make room for the values of their rows, as bits, bucket by
        // bucket, and the masses, as bits too, for these values in the order of the rows.
        let (mut spread, mut values) = match &self.gradient {
            Some(gradient) => {
                partition.scatter_pairs((0, 0.0), |row| (key(row), f64::from_bits(gradient.of(row))))
            }
            None => (partition.scatter(0, key), vec![0.0; self.examples]),
        };
        let mass = |place: usize| if self.gradient.is_some() { values[place].to_bits() } else { 1 };
        let starts = sums_before(sizes.iter().map(|&size| size as u64));
        let masses: Vec<u64> = starts
            .par_iter()
            .zip(&sizes)
            .map(|(&start, &size)| (start as usize..start as usize + size).map(mass).sum())
            .collect();
        let total = masses.iter().sum();
        let low = (1_u64 << within) - 1;
        cut(&sizes, &mut spread).into_par_iter().zip(starts).zip(sums_before(masses)).for_each_init(
            BucketOrder::default,
            |scratch, ((bucket, start), before)| {
                let order = scratch.sort(bucket.len(), within, |i| bucket[i] & low);
                let (mut below, mut first) = (before, 0);
                while first < order.len() {
                    let place = order.place(first);
                    let mut upto = below + mass(start as usize + place);
                    let mut end = first + 1;
                    while end < order.len()
                        && order.alike(first, end)
                        && bucket[order.place(end)] == bucket[place]
                    {
                        upto += mass(start as usize + order.place(end));
                        end += 1;
                    }
                    let bits = value(mid_mass(below, upto, total)).to_bits();
                    (first..end).for_each(|i| bucket[order.place(i)] = bits);
                    (below, first) = (upto, end);
                }
            },
        );
        partition.gather(&spread, &mut values, |out, bits| *out = f64::from_bits(bits));
        Ok(values)
    }

    /// `z` of any row, for [`integer_coefficients`] and doubled ranks.
    fn score<'a>(&'a self, coefficients: &'a [i64]) -> impl Fn(usize) -> i64 + Sync + use<'a> {
        // The first two by name: most samplers have two features, and a loop over columns costs more than they do.
        let column =
            |k: usize| (coefficients.get(k).copied().unwrap_or(0), &*self.ranks[k.min(self.ranks.len() - 1)]);
        let ((a, x), (b, y)) = (column(0), column(1));
        let more = (coefficients.get(2..).unwrap_or_default(), self.ranks.get(2..).unwrap_or_default());
        move |row| {
            let more: i64 = more.0.iter().zip(more.1).map(|(c, ranks)| c * i64::from(ranks[row])).sum();
            a * i64::from(x[row]) + b * i64::from(y[row]) + more
        }
    }

    /// `(z, row)` in increasing order, for canonical coefficients; the scale of `z` is that of
    /// [`integer_coefficients`] and doubled ranks.
    pub(crate) fn order(&self, canonical: &[f64]) -> Result<Vec<(i64, u32)>> {
        let coefficients = integer_coefficients(canonical, self.examples as u64)?;
        let score = self.score(&coefficients);
        let entry = |row: usize| (score(row), row as u32);
        let mut sorted: Vec<(i64, u32)> =
            (0..self.examples).into_par_iter().with_min_len(CHUNK).map(entry).collect();
        sorted.par_sort_unstable();
        Ok(sorted)
    }

    /// The mass of a group of rows: their gradient norms, or their number.
    pub(crate) fn mass(&self, rows: &[(i64, u32)]) -> u64 {
        match &self.gradient {
            Some(gradient) => rows.iter().map(|&(_, row)| gradient.of(row as usize)).sum(),
            None => rows.len() as u64,
        }
    }
}

/// One column for each feature, all of one length.
pub(crate) fn check_columns(features: &[String], columns: &[&[f32]]) -> Result<()> {
    if columns.len() != features.len() {
        let what = format!("columns for the features {}", features.join(", "));
        return Err(Error::Length { what, found: columns.len(), expected: features.len() });
    }
    let expected = columns.first().map_or(0, |column| column.len());
    for (name, column) in features.iter().zip(columns) {
        if column.len() != expected {
            let what = format!("feature `{name}`");
            return Err(Error::Length { what, found: column.len(), expected });
        }
    }
    Ok(())
}
