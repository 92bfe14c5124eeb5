//! Distributions of datasets that do not fit into memory.
//!
//! To rank the rows of a dataset among themselves takes the distribution of each feature and then that of `z`. Both
//! are counted in passes over the rows: [`SketchPlan`] says which pass comes next, a [`Sketch`] adds up what one pass
//! finds, sketches of parts [`merge`](Sketch::merge), and when a pass has seen all rows [`SketchPlan::after`] it comes
//! the next, until [`SketchPlan::scoring`] gives an ordinary [`Sampler`](crate::Sampler) and the sum of the weights.
//!
//! | pass | counts |
//! |---|---|
//! | `features` | rows in cells of each feature: sign, exponent and 13 bits of the mantissa of an f32 |
//! | `refine-features` | rows in finer cells, where a cell holds more than 1/4096 of the rows; left out where none does |
//! | `order` | gradient norm (or rows) in 2^16 cells of `z` |
//! | `refine-order` | the same in finer cells, as often as it takes |
//! | `total` | the sum of the weights |
//!
//! A cell that holds a single value knows it and is exact however heavy, so ties
//! cost nothing; of the others none holds more than 1/4096 in the end, and ranks are off by at most half of that, for any
//! data ([`SketchPlan::rank_error`] says by how much).
//!
//! Why not KLL or t-digest? What they answer depends on the order and the grouping of merges, and on random numbers. Here
//! everything that is added is an integer: threads, processes and the division of the dataset do not change a bit of
//! the result.
//!
//! ```
//! use std::collections::BTreeMap;
//! use std::sync::Arc;
//! use ss_sampler::{Sampler, SamplerParams, SamplerSpec, SketchPlan, Transform};
//!
//! let spec = SamplerSpec::new(["loss"], Transform::Cdf)?.with_segments(2)?;
//! let params = SamplerParams::new(&spec, vec![1.0], vec![0.5], vec![1.0, 1.0, 0.0])?;
//! let sampler = Sampler::fit(spec, &params, &[&[0.0, 1.0]], &[], BTreeMap::new())?;
//!
//! // Two parts of a dataset whose losses have another scale than those of the fit.
//! let parts: [&[f32]; 2] = [&[10.0, 90.0], &[30.0, 20.0]];
//! let mut plan = Arc::new(SketchPlan::refit(sampler));
//! while let Some(mut whole) = plan.sketch() {
//!     for part in parts {
//!         let mut sketch = plan.sketch().expect("the pass is not over");
//!         sketch.add(&[part], &[], 0)?;
//!         whole.merge(sketch)?;
//!     }
//!     plan = Arc::new(plan.after(&whole)?);
//! }
//! let (refitted, totals) = plan.scoring().expect("all passes are done");
//! assert_eq!(refitted.taus(&[parts[0]])?, [1.0, 0.25]);
//! assert_eq!(totals.sum(), 1.0 + 0.25 + 0.75 + 1.0);
//! # Ok::<(), ss_sampler::Error>(())
//! ```

mod cells;
mod counts;
mod file;
mod histogram;
mod key;
mod plan;
mod row_mass;
mod tally;
mod total;

pub use file::SKETCH_VERSION;
pub use plan::{Pass, SketchPlan};
pub use tally::{Sketch, SketchInput};
pub use total::Totals;
