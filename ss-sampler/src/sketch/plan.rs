//! What is known of a dataset after some passes, and which pass comes next.

use std::fmt;
use std::sync::Arc;

use super::counts::{Counts, DIGIT, Parents};
use super::histogram::{Histogram, SKETCH_POINTS};
use super::key::{FEATURE_BITS, ScoreKeys};
use super::row_mass::RowMass;
use super::tally::{Counted, Sketch, SketchInput};
use super::total::Totals;
use crate::combination::Combination;
use crate::mass_table::MassTable;
use crate::{Error, Result, Sampler, Transform};

/// Bits of a key above the digit that the first pass resolves: 22 bits of a feature, 2^13 cells for each power of two;
/// 16 bits of `z`, whose scale is known.
const FEATURE_ROOT: u32 = 10;
const SCORE_ROOT: u32 = 4;

/// A pass over the rows of a dataset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    /// Distributions of the features; number of rows and largest gradient norm.
    Features,
    /// Cells of the features that hold many rows, in finer cells.
    RefineFeatures,
    /// Distribution of the gradient norm over `z`.
    Order,
    /// Cells of `z` that hold much of the gradient norm, in finer cells.
    RefineOrder,
    /// Sum of the weights.
    Total,
}

impl Pass {
    /// The name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Features => "features",
            Self::RefineFeatures => "refine-features",
            Self::Order => "order",
            Self::RefineOrder => "refine-order",
            Self::Total => "total",
        }
    }
}

impl fmt::Display for Pass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What is known of a dataset after some passes over it. Every pass makes a [`Sketch`] of it, by parts if need be, and
/// [`after`](Self::after) that the next pass is known, or the dataset can be scored.
#[derive(Clone, Debug, PartialEq)]
pub struct SketchPlan {
    /// The sampler that the passes began with.
    pub(super) sampler: Arc<Sampler>,
    pub(super) stage: Stage,
    /// Rows and files of the pass before, if there was one; files in order, each once.
    pub(super) rows: Option<u64>,
    pub(super) inputs: Vec<SketchInput>,
}

/// What the passes so far have found, by the pass that comes next.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Stage {
    Features,
    RefineFeatures { top_norm: f32, features: Vec<Histogram> },
    Order(Arc<Ranked>),
    RefineOrder { ranked: Arc<Ranked>, scores: Histogram },
    Total { sampler: Arc<Sampler>, rank_error: f64 },
    Done { sampler: Arc<Sampler>, rank_error: f64, totals: Totals },
}

/// The distributions of the features, and what follows from them for `z`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Ranked {
    pub(super) top_norm: f32,
    pub(super) rank_error: f64,
    pub(super) marginals: Vec<MassTable>,
    pub(super) combination: Combination,
    pub(super) keys: ScoreKeys,
    pub(super) mass: RowMass,
}

impl Ranked {
    pub(super) fn new(
        sampler: &Sampler,
        top_norm: f32,
        rank_error: f64,
        marginals: Vec<MassTable>,
    ) -> Result<Self> {
        let combination = Combination::new(sampler.params().coefficients(), &marginals)?;
        let keys = ScoreKeys::new(&combination, SCORE_ROOT + DIGIT);
        let mass = RowMass::new(sampler.spec().transform(), marginals[0].total(), top_norm);
        Ok(Self { top_norm, rank_error, marginals, combination, keys, mass })
    }
}

impl SketchPlan {
    /// The largest error, as a share, of a rank between the points of the tables that are made of the cells: no more of the
    /// mass lies between two neighbouring points.
    pub const TABLE_ERROR: f64 = 1.5 / (SKETCH_POINTS - 1) as f64;

    /// Ranks the rows of the dataset among themselves: of the sampler, only its rule is used.
    pub fn refit(sampler: Sampler) -> Self {
        Self { sampler: Arc::new(sampler), stage: Stage::Features, rows: None, inputs: Vec::new() }
    }

    /// Scores rows by the distributions that the sampler was fitted on; one pass, for the sum of the weights.
    pub fn stored(sampler: Sampler) -> Self {
        let sampler = Arc::new(sampler);
        let stage = Stage::Total { sampler: Arc::clone(&sampler), rank_error: 0.0 };
        Self { sampler, stage, rows: None, inputs: Vec::new() }
    }

    /// The pass that comes next; `None` when all is known.
    pub const fn pass(&self) -> Option<Pass> {
        match self.stage {
            Stage::Features => Some(Pass::Features),
            Stage::RefineFeatures { .. } => Some(Pass::RefineFeatures),
            Stage::Order(_) => Some(Pass::Order),
            Stage::RefineOrder { .. } => Some(Pass::RefineOrder),
            Stage::Total { .. } => Some(Pass::Total),
            Stage::Done { .. } => None,
        }
    }

    /// Whether the next pass reads the gradient norms.
    pub fn reads_norms(&self) -> bool {
        match &self.stage {
            Stage::Features => self.sampler.spec().transform() == Transform::Cgf,
            Stage::Order(ranked) | Stage::RefineOrder { ranked, .. } => ranked.mass.reads_norms(),
            _ => false,
        }
    }

    /// The sampler that the passes began with.
    pub fn sampler(&self) -> &Sampler {
        &self.sampler
    }

    /// That the passes began with this sampler.
    ///
    /// # Errors
    /// [`Error::SketchMismatch`] when it was another.
    pub fn check_sampler(&self, sampler: &Sampler) -> Result<()> {
        if *self.sampler == *sampler {
            return Ok(());
        }
        Err(mismatch("a sketch made with another sampler", "give the sampler.json that it was made with"))
    }

    /// The sampler that scores the rows, and what their weights sum to, when all passes are done.
    pub fn scoring(&self) -> Option<(&Sampler, &Totals)> {
        match &self.stage {
            Stage::Done { sampler, totals, .. } => Some((sampler, totals)),
            _ => None,
        }
    }

    /// The largest error, as a share, of any rank or position that came from a sketch, as far as is known: half of the
    /// heaviest cell of several values. [`TABLE_ERROR`](Self::TABLE_ERROR) comes on top.
    pub fn rank_error(&self) -> f64 {
        let of = |features: &[Histogram]| features.iter().map(Histogram::rank_error).fold(0.0, f64::max);
        match &self.stage {
            Stage::Features => 0.0,
            Stage::RefineFeatures { features, .. } => of(features),
            Stage::Order(ranked) => ranked.rank_error,
            Stage::RefineOrder { ranked, scores } => ranked.rank_error.max(scores.rank_error()),
            Stage::Total { rank_error, .. } | Stage::Done { rank_error, .. } => *rank_error,
        }
    }

    /// The files of the pass before, in order of name.
    pub fn inputs(&self) -> &[SketchInput] {
        &self.inputs
    }

    /// An empty sketch for the next pass; `None` when all is known.
    pub fn sketch(self: &Arc<Self>) -> Option<Sketch> {
        let feature = || Parents::all(FEATURE_BITS, FEATURE_ROOT);
        let counted = match &self.stage {
            Stage::Features => {
                let features = self.sampler.spec().features();
                Counted::features(features.iter().map(|_| Some(Counts::new(feature()))).collect())
            }
            Stage::RefineFeatures { features, .. } => {
                let parts = features.iter().map(|histogram| histogram.unresolved().map(Counts::new));
                Counted::features(parts.collect())
            }
            Stage::Order(ranked) => {
                Counted::Scores(Counts::new(Parents::all(ranked.keys.bits(), SCORE_ROOT)))
            }
            Stage::RefineOrder { scores, .. } => Counted::Scores(Counts::new(scores.unresolved()?)),
            Stage::Total { .. } => Counted::Total(Totals::default()),
            Stage::Done { .. } => return None,
        };
        Some(Sketch::new(Arc::clone(self), counted))
    }

    /// What is known when the next pass has seen all rows, in this sketch.
    ///
    /// # Errors
    /// [`Error::SketchMismatch`] when the sketch is one of another plan, or covers other rows or files than the passes
    /// before; no rows; more rows than `2^40`; [`Error::NoMass`] when all weights are zero.
    pub fn after(&self, sketch: &Sketch) -> Result<Self> {
        sketch.check_plan(self)?;
        self.check_coverage(sketch)?;
        let stage = match (&self.stage, sketch.counted()) {
            (Stage::Features, Counted::Features { top_norm, features }) => {
                let features = features.iter().flatten().map(Histogram::of_counts).collect();
                self.ranked(*top_norm, features)?
            }
            (Stage::RefineFeatures { top_norm, features }, Counted::Features { features: parts, .. }) => {
                let refined = features.iter().cloned().zip(parts).map(|(histogram, part)| match part {
                    None => Ok(histogram),
                    Some(counts) => histogram.refined(counts).ok_or_else(other_rows),
                });
                self.ranked(*top_norm, refined.collect::<Result<_>>()?)?
            }
            (Stage::Order(ranked), Counted::Scores(counts)) => {
                self.fitted(ranked, Histogram::of_counts(counts))?
            }
            (Stage::RefineOrder { ranked, scores }, Counted::Scores(counts)) => {
                self.fitted(ranked, scores.clone().refined(counts).ok_or_else(other_rows)?)?
            }
            (Stage::Total { sampler, rank_error }, Counted::Total(totals)) => {
                totals.check()?;
                Stage::Done { sampler: Arc::clone(sampler), rank_error: *rank_error, totals: *totals }
            }
            _ => return Err(mismatch("a sketch counts what another pass counts", "make it again")),
        };
        let (rows, inputs) = (Some(sketch.rows()), sketch.inputs().to_vec());
        Ok(Self { sampler: Arc::clone(&self.sampler), stage, rows, inputs })
    }

    fn check_coverage(&self, sketch: &Sketch) -> Result<()> {
        if sketch.rows() == 0 {
            return Err(Error::Empty { what: "the dataset".into() });
        }
        let pass = self.pass().map_or("", Pass::name);
        let remedy = "every pass must read all of the dataset, once";
        if !self.inputs.is_empty() {
            let lacks = |these: &[SketchInput], those: &[SketchInput]| {
                these.iter().find(|input| those.binary_search(input).is_err()).map(|input| input.name.clone())
            };
            if let Some(name) = lacks(&self.inputs, sketch.inputs()) {
                return Err(mismatch(
                    format!("the pass `{pass}` has not seen {name}, the pass before has"),
                    remedy,
                ));
            }
            if let Some(name) = lacks(sketch.inputs(), &self.inputs) {
                return Err(mismatch(
                    format!("the pass `{pass}` has seen {name}, the pass before has not"),
                    remedy,
                ));
            }
        }
        match self.rows {
            Some(rows) if rows != sketch.rows() => {
                let what =
                    format!("the pass `{pass}` has seen {} rows, the pass before {rows}", sketch.rows());
                Err(mismatch(what, remedy))
            }
            _ => Ok(()),
        }
    }

    /// The stage after these distributions of the features.
    fn ranked(&self, top_norm: f32, features: Vec<Histogram>) -> Result<Stage> {
        if features.iter().any(|histogram| histogram.unresolved().is_some()) {
            return Ok(Stage::RefineFeatures { top_norm, features });
        }
        let rank_error = features.iter().map(Histogram::rank_error).fold(0.0, f64::max);
        let marginals = features.iter().map(|histogram| histogram.table(super::key::value_of)).collect();
        Ok(Stage::Order(Arc::new(Ranked::new(&self.sampler, top_norm, rank_error, marginals)?)))
    }

    /// The stage after this distribution of `z`.
    fn fitted(&self, ranked: &Arc<Ranked>, scores: Histogram) -> Result<Stage> {
        if scores.unresolved().is_some() {
            return Ok(Stage::RefineOrder { ranked: Arc::clone(ranked), scores });
        }
        let rank_error = ranked.rank_error.max(scores.rank_error());
        let keys = ranked.keys;
        let transform = scores.table(move |key| keys.score_of(key));
        let (spec, params) = (self.sampler.spec().clone(), self.sampler.params().clone());
        let mut provenance = self.sampler.provenance().clone();
        let rows = ranked.marginals[0].total();
        let note = format!(
            "of {rows} rows that the rule was applied to, sketched to a rank error of {rank_error:.2e}"
        );
        provenance.insert("distributions".into(), note);
        let sampler = Sampler::from_tables(spec, params, ranked.marginals.clone(), transform, provenance)?;
        Ok(Stage::Total { sampler: Arc::new(sampler), rank_error })
    }
}

pub(super) fn mismatch(what: impl Into<String>, remedy: &'static str) -> Error {
    Error::SketchMismatch { what: what.into(), remedy }
}

fn other_rows() -> Error {
    mismatch(
        "a cell and its finer cells hold different rows",
        "the files have changed between passes: start again",
    )
}
