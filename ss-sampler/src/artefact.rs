//! The sampler as a file: it scores examples that it has never seen.

use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::combination::{Combination, check_rows};
use crate::coordinate::MAX_EXAMPLES;
use crate::mass_table::MassTable;
use crate::mid_ranks::{Ranking, check_column, sorted_rows, sorted_value};
use crate::ranked::check_columns;
use crate::tau_table::TauTable;
use crate::{Error, RankedFeatures, Result, SamplerParams, SamplerSpec, Weights};

/// The version of the file format that this build writes and reads.
pub const FORMAT_VERSION: u32 = 1;

/// The largest number of points of a quantile table.
pub const TABLE_POINTS: usize = 1025;

/// Rows that are scored at a time.
const CHUNK: usize = 1 << 10;

/// A fitted sampler: spec, canonical parameters, and the distributions that turn a feature value into a
/// mid-rank and `z` into `u`.
///
/// Distributions are kept as tables of up to [`TABLE_POINTS`] points, placed at quantiles, densest at both
/// ends. Every point of a table is exact, so a sampler fitted on at most that many examples gives its own
/// training rows exactly [`RankedFeatures::weights`]. On more, a mid-rank is off by at most `1.5 / 1024`, and
/// `u` by at most that plus the mass that such an error of `z` sweeps over; smooth columns are interpolated
/// far better (below `2e-3` in `u` on 10^5 skewed rows with ties, see the tests). A value outside the range
/// seen at fitting takes rank 0 or 1.
///
/// The JSON form (`format_version` 1) is checked as a whole when read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(into = "SamplerFile", try_from = "SamplerFile")]
pub struct Sampler {
    file: SamplerFile,
    combination: Combination,
    tau: TauTable,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SamplerFile {
    format_version: u32,
    spec: SamplerSpec,
    params: SamplerParams,
    /// One table a feature: value -> number of training examples below, and up to it.
    marginals: Vec<MassTable>,
    /// `z` (integer coefficients times doubled ranks) -> gradient mass, or number of examples.
    transform: MassTable,
    provenance: BTreeMap<String, String>,
}

impl Sampler {
    /// Fits the tables on training columns, as [`RankedFeatures::new`] takes them. `provenance` is free text
    /// about where the sampler comes from (dataset, seed, command, ...), kept in the file.
    ///
    /// # Errors
    /// Those of [`RankedFeatures::new`]; parameters that do not fit the spec.
    pub fn fit(
        spec: SamplerSpec,
        params: &SamplerParams,
        columns: &[&[f32]],
        grad_norm: &[f32],
        provenance: BTreeMap<String, String>,
    ) -> Result<Self> {
        params.check(&spec)?;
        let params = params.canonical();
        let ranked = RankedFeatures::new(spec.clone(), columns, grad_norm)?;
        let order = ranked.order(params.coefficients())?;
        let groups = order.chunk_by(|a, b| a.0 == b.0).map(|tied| (tied[0].0 as f64, ranked.mass(tied)));
        let transform = MassTable::from_groups(groups, TABLE_POINTS);
        let marginals = columns.iter().map(|column| marginal(column)).collect();
        Self::from_tables(spec, params, marginals, transform, provenance)
    }

    /// From canonical parameters and the distributions of one set of examples.
    pub(crate) fn from_tables(
        spec: SamplerSpec,
        params: SamplerParams,
        marginals: Vec<MassTable>,
        transform: MassTable,
        provenance: BTreeMap<String, String>,
    ) -> Result<Self> {
        let format_version = FORMAT_VERSION;
        SamplerFile { format_version, spec, params, marginals, transform, provenance }.try_into()
    }

    /// Reads the JSON form.
    ///
    /// # Errors
    /// [`Error::FormatVersion`] for another version, before anything else is looked at; [`Error::Format`] for
    /// text that is not JSON, fields that are missing, unknown or out of range.
    pub fn from_json(text: &str) -> Result<Self> {
        #[derive(Deserialize)]
        struct Version {
            format_version: serde_json::Value,
        }
        let format = |e: serde_json::Error| Error::Format { reason: e.to_string() };
        let Version { format_version: found } = serde_json::from_str(text).map_err(format)?;
        if found.as_u64() != Some(FORMAT_VERSION.into()) {
            return Err(Error::FormatVersion { found: found.to_string(), supported: FORMAT_VERSION });
        }
        serde_json::from_str::<SamplerFile>(text).map_err(format)?.try_into()
    }

    /// The JSON form; floats are written so that they read back to the bit.
    ///
    /// # Errors
    /// None in practice: every field has a JSON form.
    pub fn to_json(&self) -> Result<String> {
        serde_json::to_string(&self.file).map_err(|e| Error::Format { reason: e.to_string() })
    }

    /// Features, transform and size of the rule.
    pub const fn spec(&self) -> &SamplerSpec {
        &self.file.spec
    }

    /// The canonical parameters.
    pub const fn params(&self) -> &SamplerParams {
        &self.file.params
    }

    /// Where the sampler comes from.
    pub const fn provenance(&self) -> &BTreeMap<String, String> {
        &self.file.provenance
    }

    /// Number of examples the sampler was fitted on.
    pub fn fitted_examples(&self) -> u64 {
        self.file.marginals[0].total()
    }

    /// The value of feature number `k` below which this share of the training examples lies, `share` in `[0, 1]`;
    /// interpolated between the points of the table.
    ///
    /// # Panics
    /// If the spec has no feature `k`.
    pub fn quantile(&self, k: usize, share: f64) -> f64 {
        self.file.marginals[k].quantile(share)
    }

    /// `tau` in `[0, 1]` of an example whose features have these mid-ranks among the training examples, one in
    /// `(0, 1)` for each feature of the spec.
    ///
    /// # Errors
    /// Another number of ranks than features; a rank outside `[0, 1]`.
    pub fn tau_at_ranks(&self, ranks: &[f64]) -> Result<f64> {
        let features = self.file.spec.features();
        if ranks.len() != features.len() {
            let what = format!("ranks for the features {}", features.join(", "));
            return Err(Error::Length { what, found: ranks.len(), expected: features.len() });
        }
        if let Some(k) = ranks.iter().position(|rank| !(0.0..=1.0).contains(rank)) {
            return Err(Error::invalid(format!("rank of `{}`", features[k]), ranks[k], "a number in [0, 1]"));
        }
        let doubled = 2.0 * self.fitted_examples() as f64;
        let ranks = ranks.iter().map(|rank| (rank * doubled).round() as i64);
        let z: i64 = ranks.zip(self.combination.coefficients()).map(|(rank, c)| c * rank).sum();
        Ok(self.tau.tau(z as f64))
    }

    /// Weights of examples, seen or not, from the columns of the spec's features, each `[n]`.
    ///
    /// # Errors
    /// As [`taus`](Self::taus); no rows; all weights zero.
    pub fn score(&self, columns: &[&[f32]]) -> Result<Weights> {
        Weights::new(self.taus(columns)?)
    }

    /// `tau` in `[0, 1]` of every example, `[n]`: rows do not depend on each other, so a dataset can be
    /// scored in pieces; a piece may be empty or have no weight.
    ///
    /// # Errors
    /// Another number of columns than features, lengths that differ, NaN or infinite values.
    pub fn taus(&self, columns: &[&[f32]]) -> Result<Vec<f64>> {
        check_rows(&self.file.spec, columns, 0)?;
        let mut taus = vec![0.0; columns[0].len()];
        taus.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, taus)| {
            self.write_taus(columns, chunk * CHUNK, taus);
        });
        Ok(taus)
    }

    /// As [`taus`](Self::taus), by this thread alone and into a buffer, whose content and length it replaces: for
    /// datasets that are read in pieces. Rows are counted from `first_row` in messages.
    ///
    /// # Errors
    /// As [`taus`](Self::taus).
    pub fn taus_into(&self, columns: &[&[f32]], first_row: usize, taus: &mut Vec<f64>) -> Result<()> {
        check_rows(&self.file.spec, columns, first_row)?;
        taus.clear();
        taus.resize(columns[0].len(), 0.0);
        self.write_taus(columns, 0, taus);
        Ok(())
    }

    /// `tau` of the rows `from .. from + taus.len()` of columns that are checked.
    fn write_taus(&self, columns: &[&[f32]], from: usize, taus: &mut [f64]) {
        let mut z = [0.0; CHUNK];
        for (chunk, taus) in taus.chunks_mut(CHUNK).enumerate() {
            let z = &mut z[..taus.len()];
            self.combination.scores(columns, from + chunk * CHUNK, z);
            for (tau, &z) in taus.iter_mut().zip(&*z) {
                *tau = self.tau.tau(z);
            }
        }
    }

    /// Weights of a whole set of examples whose features have been read *again*, later in training, `[n]`.
    ///
    /// The columns are ranked among themselves, and the map from `z` to `u` stays that of the fit: the rule
    /// keeps acting on the same shares of the examples while the features move. Neither [`score`](Self::score)
    /// (losses fall in training, so that all would look easy) nor a transform fitted anew (the gradient comes
    /// to lie on ever fewer examples, so that a cgf would let the hardest back in) has that property.
    ///
    /// Columns that order the training examples as they did at the fit give the weights of the fit: exactly up
    /// to [`TABLE_POINTS`] examples, within the tables' resolution above.
    ///
    /// # Errors
    /// As [`taus`](Self::taus); no rows; [`Error::NoMass`] when all weights are zero.
    pub fn reread(&self, columns: &[&[f32]]) -> Result<Weights> {
        let features = self.file.spec.features();
        check_columns(features, columns)?;
        for (name, column) in features.iter().zip(columns) {
            check_column(column, &format!("feature `{name}`"))?;
        }
        let rows = columns[0].len();
        let scale = self.fitted_examples() as f64 / rows as f64;
        let rank = |ranking: &mut Ranking, column: &&[f32]| ranking.doubled_mid_ranks(column);
        let ranks: Vec<Vec<u32>> = columns.par_iter().map_init(Ranking::default, rank).collect();
        let tau = |row: usize| {
            let doubled = ranks.iter().map(|ranks| (f64::from(ranks[row]) * scale).round() as i64);
            let z: i64 = doubled.zip(self.combination.coefficients()).map(|(rank, c)| c * rank).sum();
            self.tau.tau(z as f64)
        };
        Weights::new((0..rows).into_par_iter().with_min_len(1 << 10).map(tau).collect())
    }
}

/// The distribution of one column.
fn marginal(column: &[f32]) -> MassTable {
    let sorted = sorted_rows(column);
    let groups = sorted
        .chunk_by(|a, b| a >> 32 == b >> 32)
        .map(|tied| (f64::from(sorted_value(tied[0])), tied.len() as u64));
    MassTable::from_groups(groups, TABLE_POINTS)
}

impl TryFrom<SamplerFile> for Sampler {
    type Error = Error;

    fn try_from(file: SamplerFile) -> Result<Self> {
        if file.format_version != FORMAT_VERSION {
            let found = file.format_version.to_string();
            return Err(Error::FormatVersion { found, supported: FORMAT_VERSION });
        }
        let fail = |reason: String| Err(Error::Format { reason });
        if let Err(error) = file.params.check(&file.spec) {
            return fail(format!("params: {error}"));
        }
        if file.params.canonical() != file.params {
            return fail("params are not in canonical form".into());
        }
        let features = file.spec.features();
        if file.marginals.len() != features.len() {
            return fail(format!("{} marginals for {} features", file.marginals.len(), features.len()));
        }
        for (name, table) in features.iter().zip(&file.marginals) {
            table.check(name)?;
            if table.total() != file.marginals[0].total() || table.total() > MAX_EXAMPLES {
                return fail(format!("table `{name}`: every feature must cover the same examples"));
            }
        }
        file.transform.check("transform")?;
        let combination = Combination::new(file.params.coefficients(), &file.marginals)?;
        let tau = TauTable::new(&file.transform, &file.params.rule());
        Ok(Self { file, combination, tau })
    }
}

impl From<Sampler> for SamplerFile {
    fn from(sampler: Sampler) -> Self {
        sampler.file
    }
}
