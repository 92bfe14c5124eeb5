//! Counting rows: what one pass adds up over a dataset, or over a part of it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::counts::{Counts, MOST_MASS};
use super::key;
use super::plan::{Ranked, SketchPlan, Stage, mismatch};
use super::total::{MOST_ROWS, Totals};
use crate::combination::{check_rows, check_values};
use crate::{Error, Result};

/// Rows whose scores are computed at a time.
const CHUNK: usize = 1 << 10;

/// A file that was counted, so that it is not counted twice.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SketchInput {
    /// Its name, for messages too.
    pub name: String,
    /// A digest of its content.
    pub digest: u64,
}

/// What the next pass of a [`SketchPlan`] has counted so far. Integers are added, so that sketches of parts of a dataset
/// merge to the sketch of the whole, to the bit, in any order and from any division.
#[derive(Clone, Debug, PartialEq)]
pub struct Sketch {
    plan: Arc<SketchPlan>,
    counted: Counted,
    rows: u64,
    inputs: Vec<SketchInput>,
    taus: Vec<f64>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Counted {
    /// Rows by feature, where a feature is counted, and the largest norm.
    Features { top_norm: f32, features: Vec<Option<Counts>> },
    /// Mass by combined score.
    Scores(Counts),
    /// Sum of the weights.
    Total(Totals),
}

impl Counted {
    pub(super) const fn features(features: Vec<Option<Counts>>) -> Self {
        Self::Features { top_norm: 0.0, features }
    }

    /// Whether the mass of both together can be counted. That of features is their rows.
    fn fits(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Scores(counts), Self::Scores(more)) => counts.total() + more.total() <= MOST_MASS,
            _ => true,
        }
    }
}

impl Sketch {
    pub(super) const fn new(plan: Arc<SketchPlan>, counted: Counted) -> Self {
        Self { plan, counted, rows: 0, inputs: Vec::new(), taus: Vec::new() }
    }

    pub(super) fn from_parts(
        plan: Arc<SketchPlan>,
        counted: Counted,
        rows: u64,
        inputs: Vec<SketchInput>,
    ) -> Self {
        Self { plan, counted, rows, inputs, taus: Vec::new() }
    }

    /// The plan whose next pass this is.
    pub const fn plan(&self) -> &Arc<SketchPlan> {
        &self.plan
    }

    pub(super) const fn counted(&self) -> &Counted {
        &self.counted
    }

    /// Number of rows counted.
    pub const fn rows(&self) -> u64 {
        self.rows
    }

    /// The files counted, in order of name.
    pub fn inputs(&self) -> &[SketchInput] {
        &self.inputs
    }

    /// Notes that all rows of a file have been counted, or will be: best before they are, as the errors do not depend on them.
    ///
    /// # Errors
    /// [`Error::SketchMismatch`] when they have been before, or when the pass before has not seen the file as it is now.
    pub fn record(&mut self, input: SketchInput) -> Result<()> {
        let before = self.plan.inputs();
        if !before.is_empty() && before.binary_search(&input).is_err() {
            return Err(mismatch(
                format!("the pass before has not seen {}, or other content under that name", input.name),
                "sketch the files of the pass before, unchanged, or start again with all files",
            ));
        }
        match self.inputs.binary_search(&input) {
            Ok(_) => Err(counted_twice(&input)),
            Err(place) => {
                self.inputs.insert(place, input);
                Ok(())
            }
        }
    }

    /// Counts rows: a column for each feature, `[n]`, and the gradient norms, `[n]`, where
    /// [`SketchPlan::reads_norms`]; else they are not looked at. Rows are counted from `first_row` in messages.
    ///
    /// # Errors
    /// Another number of columns than features, lengths that differ, NaN or infinite values, negative norms; the sketch
    /// is then of no further use.
    pub fn add(&mut self, columns: &[&[f32]], norms: &[f32], first_row: usize) -> Result<()> {
        let spec = self.plan.sampler.spec();
        check_rows(spec, columns, first_row)?;
        let rows = columns[0].len();
        if self.plan.reads_norms() {
            check_norms(norms, rows, first_row)?;
        }
        self.rows += rows as u64;
        match (&mut self.counted, &self.plan.stage) {
            (Counted::Features { top_norm, features }, stage) => {
                if matches!(stage, Stage::Features) && self.plan.reads_norms() {
                    *top_norm = norms.iter().copied().fold(*top_norm, f32::max);
                }
                for (counts, column) in features.iter_mut().zip(columns) {
                    if let Some(counts) = counts {
                        column.iter().for_each(|&value| counts.add(key::of_value(value), 1));
                    }
                }
            }
            (Counted::Scores(counts), Stage::Order(ranked) | Stage::RefineOrder { ranked, .. }) => {
                add_scores(counts, ranked, columns, norms);
            }
            (Counted::Total(totals), Stage::Total { sampler, .. }) => {
                sampler.taus_into(columns, first_row, &mut self.taus)?;
                totals.add(&self.taus);
            }
            _ => return Err(mismatch("a sketch counts what another pass counts", "make it again")),
        }
        Ok(())
    }

    /// Adds what was counted of other rows.
    ///
    /// # Errors
    /// [`Error::SketchMismatch`] when the other sketch is of another plan or pass, has counted a file that this one
    /// has, or both together hold more than can be counted (2^40 rows); nothing is added then.
    pub fn merge(&mut self, other: Self) -> Result<()> {
        other.check_plan(&self.plan)?;
        if self.rows.saturating_add(other.rows) > MOST_ROWS || !self.counted.fits(&other.counted) {
            let remedy = "sketch a part of the rows, or make damaged sketches again";
            return Err(mismatch("more rows or gradient norms than can be counted", remedy));
        }
        if let Some(input) = other.inputs.iter().find(|input| self.inputs.binary_search(input).is_ok()) {
            return Err(counted_twice(input));
        }
        match (&mut self.counted, other.counted) {
            (
                Counted::Features { top_norm, features },
                Counted::Features { top_norm: other_norm, features: others },
            ) => {
                *top_norm = top_norm.max(other_norm);
                for (counts, other) in features.iter_mut().zip(others) {
                    if let (Some(counts), Some(other)) = (counts, other) {
                        counts.merge(other);
                    }
                }
            }
            (Counted::Scores(counts), Counted::Scores(other)) => counts.merge(other),
            (Counted::Total(totals), Counted::Total(other)) => totals.merge(other),
            _ => return Err(mismatch("sketches of two passes", "merge those of one pass")),
        }
        self.rows += other.rows;
        self.inputs.extend(other.inputs);
        self.inputs.sort();
        Ok(())
    }

    /// That this sketch is one of the next pass of `plan`.
    pub(super) fn check_plan(&self, plan: &SketchPlan) -> Result<()> {
        let own = &*self.plan;
        if std::ptr::eq(own, plan) || own == plan {
            return Ok(());
        }
        let name = |plan: &SketchPlan| plan.pass().map_or("none", |pass| pass.name());
        Err(if own.sampler != plan.sampler {
            mismatch("sketches of two samplers", "sketch with one sampler.json")
        } else if own.pass() != plan.pass() {
            let what = format!("sketches of the passes `{}` and `{}`", name(plan), name(own));
            mismatch(what, "merge those of one pass")
        } else {
            let what = format!("sketches of the pass `{}` after different passes before", name(own));
            mismatch(what, "make all of them with the same file --after")
        })
    }
}

fn add_scores(counts: &mut Counts, ranked: &Ranked, columns: &[&[f32]], norms: &[f32]) {
    let rows = columns[0].len();
    let mut z = [0.0; CHUNK];
    for from in (0..rows).step_by(CHUNK) {
        let z = &mut z[..CHUNK.min(rows - from)];
        ranked.combination.scores(columns, from, z);
        if ranked.mass.reads_norms() {
            for (&z, &norm) in z.iter().zip(&norms[from..]) {
                counts.add(ranked.keys.of_score(z as i64), ranked.mass.of(norm));
            }
        } else {
            z.iter().for_each(|&z| counts.add(ranked.keys.of_score(z as i64), 1));
        }
    }
}

fn check_norms(norms: &[f32], rows: usize, first_row: usize) -> Result<()> {
    let what = || "gradient norm".to_owned();
    if norms.len() != rows {
        return Err(Error::Length { what: "gradient norms".into(), found: norms.len(), expected: rows });
    }
    check_values(norms, first_row, what)?;
    if norms.iter().fold(false, |negative, &norm| negative | (norm < 0.0))
        && let Some(i) = norms.iter().position(|&norm| norm < 0.0)
    {
        return Err(Error::Negative { what: what(), row: first_row + i, value: norms[i].into() });
    }
    Ok(())
}

fn counted_twice(input: &SketchInput) -> Error {
    mismatch(format!("{} has been counted twice", input.name), "give each part of the dataset once")
}
