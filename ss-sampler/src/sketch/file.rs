//! Sketches as files, so that several processes can count one dataset.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::cells::CellColumns;
use super::counts::{Counts, Parents};
use super::histogram::{Histogram, HistogramFile};
use super::plan::{Ranked, SketchPlan, Stage};
use super::tally::{Counted, Sketch, SketchInput};
use super::total::{MOST_ROWS, Totals};
use crate::mass_table::MassTable;
use crate::{Error, Result, Sampler};

/// The version of the file format that this build writes and reads.
pub const SKETCH_VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SketchFile {
    sketch_version: u32,
    sampler: Sampler,
    stage: StageFile,
    rows_before: Option<u64>,
    inputs_before: Vec<SketchInput>,
    rows: u64,
    inputs: Vec<SketchInput>,
    counted: CountedFile,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
enum StageFile {
    Features,
    RefineFeatures { top_norm: f32, features: Vec<HistogramFile> },
    Order(RankedFile),
    RefineOrder { ranked: RankedFile, scores: HistogramFile },
    Total { sampler: Box<Sampler>, rank_error: f64 },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RankedFile {
    top_norm: f32,
    rank_error: f64,
    marginals: Vec<MassTable>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
enum CountedFile {
    Features { top_norm: f32, features: Vec<Option<CellColumns>> },
    Scores(CellColumns),
    Total(Totals),
}

impl Sketch {
    /// The JSON form: of cells, only those that hold mass.
    ///
    /// # Errors
    /// None in practice: every field has a JSON form.
    pub fn to_json(&self) -> Result<String> {
        let plan = self.plan();
        let cells = |counts: &Counts| CellColumns::of(counts.cells());
        let counted = match self.counted() {
            Counted::Features { top_norm, features } => CountedFile::Features {
                top_norm: *top_norm,
                features: features.iter().map(|counts| counts.as_ref().map(cells)).collect(),
            },
            Counted::Scores(counts) => CountedFile::Scores(cells(counts)),
            Counted::Total(totals) => CountedFile::Total(*totals),
        };
        let file = SketchFile {
            sketch_version: SKETCH_VERSION,
            sampler: (*plan.sampler).clone(),
            stage: StageFile::of(&plan.stage)?,
            rows_before: plan.rows,
            inputs_before: plan.inputs.clone(),
            rows: self.rows(),
            inputs: self.inputs().to_vec(),
            counted,
        };
        serde_json::to_string(&file).map_err(damaged)
    }

    /// Reads the JSON form.
    ///
    /// # Errors
    /// [`Error::SketchVersion`] for another version, before anything else is looked at; [`Error::SketchFormat`] for text
    /// that is not JSON, and fields that are missing, unknown, out of range or contradict each other.
    pub fn from_json(text: &str) -> Result<Self> {
        #[derive(Deserialize)]
        struct Version {
            sketch_version: serde_json::Value,
        }
        let Version { sketch_version: found } = serde_json::from_str(text).map_err(damaged)?;
        if found.as_u64() != Some(SKETCH_VERSION.into()) {
            return Err(Error::SketchVersion { found: found.to_string(), supported: SKETCH_VERSION });
        }
        let file: SketchFile = serde_json::from_str(text).map_err(damaged)?;
        let sampler = Arc::new(file.sampler);
        let stage = file.stage.into_stage(&sampler)?;
        let plan =
            Arc::new(SketchPlan { sampler, stage, rows: file.rows_before, inputs: file.inputs_before });
        let empty = plan.sketch().ok_or_else(|| damaged("its passes are complete"))?;
        let counted = counted(empty.counted(), file.counted, file.rows)?;
        if file.rows > MOST_ROWS {
            return Err(damaged("it must hold at most 2^40 rows"));
        }
        if !file.inputs.is_sorted_by(|a, b| a < b) || !plan.inputs.is_sorted_by(|a, b| a < b) {
            return Err(damaged("the files counted must be in order, each once"));
        }
        Ok(Self::from_parts(plan, counted, file.rows, file.inputs))
    }
}

/// What a file holds, as what its pass counts.
fn counted(empty: &Counted, file: CountedFile, rows: u64) -> Result<Counted> {
    let parents = |counts: &Counts| -> Parents { counts.parents().clone() };
    match (empty, file) {
        (Counted::Features { features: expected, .. }, CountedFile::Features { top_norm, features }) => {
            if features.len() != expected.len() || !(top_norm.is_finite() && top_norm >= 0.0) {
                return Err(damaged("features and largest gradient norm do not fit the sampler"));
            }
            let counts = expected.iter().zip(features).map(|(expected, cells)| match (expected, cells) {
                (None, None) => Ok(None),
                (Some(expected), Some(cells)) => Counts::from_cells(parents(expected), cells).map(Some),
                _ => Err(damaged("a feature is counted that its pass does not count, or not counted")),
            });
            let features = counts.collect::<Result<Vec<_>>>()?;
            let whole = features.iter().flatten().filter(|counts| counts.parents().prefixes.is_none());
            if whole.into_iter().any(|counts| counts.total() != rows) {
                return Err(damaged("the cells of a feature must hold every row once"));
            }
            Ok(Counted::Features { top_norm, features })
        }
        (Counted::Scores(expected), CountedFile::Scores(cells)) => {
            Ok(Counted::Scores(Counts::from_cells(parents(expected), cells)?))
        }
        (Counted::Total(_), CountedFile::Total(totals)) if totals.rows() == rows => {
            if !totals.is_possible() {
                return Err(damaged("so many weights between 0 and 1 cannot have these sums"));
            }
            Ok(Counted::Total(totals))
        }
        _ => Err(damaged("what was counted does not belong to its pass")),
    }
}

impl StageFile {
    fn of(stage: &Stage) -> Result<Self> {
        let ranked = |ranked: &Ranked| RankedFile {
            top_norm: ranked.top_norm,
            rank_error: ranked.rank_error,
            marginals: ranked.marginals.clone(),
        };
        Ok(match stage {
            Stage::Features => Self::Features,
            Stage::RefineFeatures { top_norm, features } => Self::RefineFeatures {
                top_norm: *top_norm,
                features: features.iter().map(HistogramFile::from).collect(),
            },
            Stage::Order(found) => Self::Order(ranked(found)),
            Stage::RefineOrder { ranked: found, scores } => {
                Self::RefineOrder { ranked: ranked(found), scores: scores.into() }
            }
            Stage::Total { sampler, rank_error } => {
                Self::Total { sampler: Box::new((**sampler).clone()), rank_error: *rank_error }
            }
            Stage::Done { .. } => return Err(damaged("its passes are complete")),
        })
    }

    fn into_stage(self, sampler: &Arc<Sampler>) -> Result<Stage> {
        let features = sampler.spec().features().len();
        Ok(match self {
            Self::Features => Stage::Features,
            Self::RefineFeatures { top_norm, features: files } => {
                if files.len() != features {
                    return Err(damaged("the number of histograms is not that of the features"));
                }
                let features = files.into_iter().map(Histogram::try_from).collect::<Result<_>>()?;
                Stage::RefineFeatures { top_norm, features }
            }
            Self::Order(ranked) => Stage::Order(Arc::new(ranked.into_ranked(sampler)?)),
            Self::RefineOrder { ranked, scores } => Stage::RefineOrder {
                ranked: Arc::new(ranked.into_ranked(sampler)?),
                scores: scores.try_into()?,
            },
            Self::Total { sampler: fitted, rank_error } => {
                if fitted.spec() != sampler.spec() {
                    return Err(damaged("the fitted sampler has other features than the first one"));
                }
                // One value, where the stage began with it.
                let fitted = if *fitted == **sampler { Arc::clone(sampler) } else { Arc::from(fitted) };
                Stage::Total { sampler: fitted, rank_error }
            }
        })
    }
}

impl RankedFile {
    fn into_ranked(self, sampler: &Sampler) -> Result<Ranked> {
        let features = sampler.spec().features();
        if self.marginals.len() != features.len() {
            return Err(damaged("the number of tables is not that of the features"));
        }
        for (name, table) in features.iter().zip(&self.marginals) {
            table.check(name)?;
            if table.total() != self.marginals[0].total() {
                return Err(damaged("every feature must cover the same rows"));
            }
        }
        Ranked::new(sampler, self.top_norm, self.rank_error, self.marginals)
    }
}

fn damaged(reason: impl ToString) -> Error {
    Error::SketchFormat { reason: reason.to_string() }
}
