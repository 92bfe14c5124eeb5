//! From per-example features to sampling probabilities with ten numbers, and from probabilities to epochs.
//!
//! ```text
//! feature columns ──mid-ranks──▶ r_k ──Σ c_k r_k──▶ z ──cgf or cdf──▶ u ──H──▶ tau ──▶ weights ──▶ epoch plan
//! ```
//!
//! 1. Each feature column becomes mid-ranks `r_k` in `(0, 1)` ([`RankedFeatures`], computed once).
//! 2. A linear combination `z = Σ c_k r_k`, `c_k` in `[-1, 1]`, orders the examples.
//! 3. A [`Transform`] maps `z` to `u` in `[0, 1]`: `cdf` is the mid-rank of `z`; `cgf`, the cumulative
//!    gradient function, is the share of the total gradient norm at or below `z`, so that equal steps
//!    in `u` move the objective of an outer search by comparable amounts.
//! 4. A [`PiecewiseLinear`] rule `H` with `S` segments gives `tau = H(u)`; the probability of example `i` is
//!    `tau_i / Σ tau` ([`Weights`]).
//!
//! A [`SamplerSpec`] fixes the features, the transform and `S`; the `N + 2S` numbers of a
//! [`SamplerParams`] fill it in, and live in the unit cube for an optimiser ([`canonicalize_unit`]). With two
//! features and four segments these are the ten numbers of Swift Sampler (arXiv 2410.05578, section 3). The
//! paper leaves the exact form open; steps 1 to 4 are our reconstruction.
//!
//! Datasets that do not fit into memory are ranked by [`sketch`]es.
//!
//! [`Sampler`] is the artefact that outlives the training set: it carries quantile tables, so it scores
//! examples never seen. [`EpochPlan`] turns weights into the order of an epoch.
//!
//! ```
//! use ss_sampler::{EpochPlan, RankedFeatures, SamplerParams, SamplerSpec, Transform};
//! use ss_seed::Seed;
//!
//! let spec = SamplerSpec::new(["loss"], Transform::Cdf)?.with_segments(2)?;
//! let loss = [0.1, 0.2, 0.3, 9.0];
//! let ranked = RankedFeatures::new(spec.clone(), &[&loss], &[])?;
//!
//! // Full weight up to u = 0.5, then a ramp down to nothing.
//! let params = SamplerParams::new(&spec, vec![1.0], vec![0.5], vec![1.0, 1.0, 0.0])?;
//! let weights = ranked.weights(&params)?;
//! assert_eq!(weights.tau(), [1.0, 1.0, 0.75, 0.25]);
//!
//! let plan = EpochPlan::systematic(&weights, 4, Seed::new(1).stream("order"), 0)?;
//! assert_eq!(plan.len(), 4);
//! # Ok::<(), ss_sampler::Error>(())
//! ```

mod artefact;
mod combination;
mod coordinate;
mod draw;
mod error;
mod indexed_table;
mod key_index;
mod mass_table;
mod masses;
mod mid_ranks;
mod ordered_bits;
mod params;
mod partition;
mod piecewise_linear;
mod plan;
mod ranked;
mod rounding;
pub mod shapes;
pub mod sketch;
mod spec;
mod summary;
mod tau_table;
mod unit_cube;
mod weights;

pub use artefact::{FORMAT_VERSION, Sampler, TABLE_POINTS};
pub use draw::AliasTable;
pub use error::{Error, Result};
pub use mid_ranks::mid_ranks;
pub use params::SamplerParams;
pub use piecewise_linear::PiecewiseLinear;
pub use plan::{Draw, DrawMode, EpochPlan, PlanState, Remainder};
pub use ranked::RankedFeatures;
pub use sketch::{Pass, Sketch, SketchInput, SketchPlan, Totals};
pub use spec::{SamplerSpec, Transform};
pub use summary::{FeatureShares, Summary, describe, describe_weights};
pub use unit_cube::canonicalize_unit;
pub use weights::Weights;
