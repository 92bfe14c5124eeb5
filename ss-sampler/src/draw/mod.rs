//! Which examples an epoch draws, and how often: one file a mode.
//!
//! Every random number is a hash of the epoch's stream, a purpose and an index, so it does not depend on what
//! else is drawn. Purposes are indices that no example can have.

mod alias;
mod epoch_order;
mod multinomial;
mod systematic;
mod without_replacement;

pub use alias::AliasTable;
pub(crate) use epoch_order::in_epoch_order;
pub(crate) use multinomial::multinomial;
pub(crate) use systematic::systematic;
pub(crate) use without_replacement::without_replacement;

/// Examples or draws below which a second thread is not worth waking.
pub(crate) const TASK: usize = 1 << 12;

/// The order in which residuals are walked.
const RESIDUAL_ORDER: u64 = u64::MAX;
/// The offset of the systematic sample over residuals.
const RESIDUAL_OFFSET: u64 = u64::MAX - 1;
/// Independent draws.
const INDEPENDENT: u64 = u64::MAX - 2;
/// Exponential keys.
const EXPONENTIAL: u64 = u64::MAX - 3;

/// A number in `[0, bound)` from 64 random bits; the bias is below `bound / 2^64`.
const fn below(bits: u64, bound: u64) -> u64 {
    ((bits as u128 * bound as u128) >> 64) as u64
}
