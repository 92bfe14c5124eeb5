//! The order of an epoch.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use ss_seed::{Seed, Stream};

use crate::{Error, Result, Weights, draw};

/// One draw of an epoch: an example, and which of its draws in this epoch it is (0, 1, ...).
///
/// The copy number gives repeated draws randomness of their own (augmentation, dropout) that does not depend
/// on what else the epoch holds. Packed into 8 bytes, with 40 bits for the example and 24 for the copy, so
/// that plans over 10^12 examples take no more memory than plans over 10^3 would as two u32.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Draw(u64);

impl Draw {
    pub(crate) const MAX_EXAMPLES: usize = 1 << 40;
    pub(crate) const MAX_COPIES: u64 = 1 << 24;

    /// `example < 2^40`, `copy < 2^24`.
    pub(crate) const fn new(example: usize, copy: u64) -> Self {
        Self((example as u64) << 24 | copy)
    }

    /// Index of the example.
    pub const fn example(self) -> usize {
        (self.0 >> 24) as usize
    }

    /// How many times the example was drawn before in this epoch.
    pub const fn copy(self) -> u32 {
        (self.0 & (Self::MAX_COPIES - 1)) as u32
    }
}

impl std::fmt::Debug for Draw {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}#{}", self.example(), self.copy())
    }
}

/// How the draws of an epoch are chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DrawMode {
    /// Every example `floor(m p)` or `ceil(m p)` times, see [`EpochPlan::systematic`].
    #[default]
    Systematic,
    /// Independent draws, see [`EpochPlan::multinomial`].
    Multinomial,
    /// Every example at most once, see [`EpochPlan::without_replacement`].
    WithoutReplacement,
}

/// What happens to draws that do not divide evenly over the ranks of a job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Remainder {
    /// The plan is continued from its beginning until it divides: complete, with up to `world - 1` draws that
    /// occur twice (PyTorch's `DistributedSampler` by default).
    #[default]
    Pad,
    /// The last `len % world` draws are left out: disjoint, with up to `world - 1` draws missing
    /// (`drop_last`).
    Drop,
}

/// The draws of one epoch, in order; never empty.
///
/// A plan is a function of the weights, the number of draws, the stream and the epoch: thread count, platform
/// and earlier epochs do not matter. The order is that of a hash of (epoch, example, copy), which gives
/// *common random numbers*: two samplers with one stream put the draws they share in the same relative order.
///
/// Time: every mode takes a fixed number of passes over its examples and draws, in parallel (the alias table of
/// multinomial draws alone is built by one thread). Memory, besides the weights' 8 bytes an example and the plan's 8 a
/// draw: nothing to shuffle; at most 28 bytes an example for systematic draws, or 4 an example and 8 a draw if that is
/// more; 24 an example, or 4 a draw, for multinomial ones; about 32 a draw for those without replacement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpochPlan {
    draws: Vec<Draw>,
}

impl EpochPlan {
    /// Every one of `n` examples once, in the order of this epoch: ordinary shuffling.
    ///
    /// # Errors
    /// `n` is zero or more than 2^40.
    pub fn shuffled(n: usize, stream: Stream, epoch: u64) -> Result<Self> {
        check_sizes(n, n)?;
        Ok(Self { draws: draw::in_epoch_order(n, |example| Draw::new(example, 0), stream.index(epoch)) })
    }

    /// `m` draws in which example `i` appears `floor(m p_i)` or `ceil(m p_i)` times, and `m p_i` times on
    /// average.
    ///
    /// Each example gets its floor; what is left is allotted by systematic sampling over the residuals, taken
    /// in a pseudo-random order (Madow 1949, randomised). All sums are of integers and exact. With equal
    /// weights and `m = n` the plan is [`shuffled`](Self::shuffled), bit for bit.
    ///
    /// # Errors
    /// `m` is zero or more than 2^40; more than 2^40 examples; an example with 2^24 draws or more.
    pub fn systematic(weights: &Weights, m: usize, stream: Stream, epoch: u64) -> Result<Self> {
        check_sizes(weights.len(), m)?;
        let stream = stream.index(epoch);
        Ok(Self::ordered(&draw::systematic(weights, m, stream)?, stream))
    }

    /// `m` independent draws with replacement, by an [`AliasTable`](crate::AliasTable).
    ///
    /// # Errors
    /// As [`systematic`](Self::systematic).
    pub fn multinomial(weights: &Weights, m: usize, stream: Stream, epoch: u64) -> Result<Self> {
        check_sizes(weights.len(), m)?;
        Ok(Self { draws: draw::multinomial(weights, m, stream.index(epoch))? })
    }

    /// `m` different examples, chosen as by drawing one after the other without putting back (exponential
    /// keys, Efraimidis and Spirakis 2006), in the order of the epoch rather than of choice. Examples of
    /// weight zero are never drawn. Drawing all `n` of positive weights gives [`shuffled`](Self::shuffled).
    ///
    /// # Errors
    /// `m` is zero or more than 2^40; more than 2^40 examples; fewer than `m` examples with positive weight.
    pub fn without_replacement(weights: &Weights, m: usize, stream: Stream, epoch: u64) -> Result<Self> {
        check_sizes(weights.len(), m)?;
        let stream = stream.index(epoch);
        Ok(Self::ordered(&draw::without_replacement(weights, m, stream)?, stream))
    }

    /// The plan of the given mode.
    ///
    /// # Errors
    /// As that mode.
    pub fn draw(mode: DrawMode, weights: &Weights, m: usize, stream: Stream, epoch: u64) -> Result<Self> {
        match mode {
            DrawMode::Systematic => Self::systematic(weights, m, stream, epoch),
            DrawMode::Multinomial => Self::multinomial(weights, m, stream, epoch),
            DrawMode::WithoutReplacement => Self::without_replacement(weights, m, stream, epoch),
        }
    }

    /// Draws that increase, in the order of the epoch; `stream` is already that of the epoch.
    fn ordered(draws: &[Draw], stream: Stream) -> Self {
        Self { draws: draw::in_epoch_order(draws.len(), |i| draws[i], stream) }
    }

    /// Number of draws, at least one.
    #[allow(clippy::len_without_is_empty, reason = "a plan is never empty")]
    pub const fn len(&self) -> usize {
        self.draws.len()
    }

    /// The draws in order.
    pub fn draws(&self) -> &[Draw] {
        &self.draws
    }

    /// The examples in order.
    pub fn indices(&self) -> impl ExactSizeIterator<Item = usize> + '_ {
        self.draws.iter().map(|draw| draw.example())
    }

    /// The part of rank `rank` of `world`: draws number `rank`, `rank + world`, `rank + 2 world`, ..., so
    /// that the batches of all ranks together are those of a single process. All parts have the same length.
    ///
    /// # Errors
    /// `rank >= world`; with [`Remainder::Drop`], fewer draws than ranks.
    pub fn shard(&self, rank: usize, world: usize, remainder: Remainder) -> Result<Self> {
        if rank >= world {
            return Err(Error::invalid("rank", rank, format!("less than the world size {world}")));
        }
        let len = match remainder {
            Remainder::Pad => self.len().div_ceil(world),
            Remainder::Drop => self.len() / world,
        };
        if len == 0 {
            return Err(Error::invalid(
                "world",
                world,
                format!("at most the {} draws of the plan", self.len()),
            ));
        }
        let draws = (0..len).map(|i| self.draws[(rank + i * world) % self.len()]).collect();
        Ok(Self { draws })
    }

    /// 64 bits that stand for the whole plan, in O(m): equal plans agree, others differ (up to chance 2^-64).
    pub fn fingerprint(&self) -> u64 {
        const CHUNK: usize = 1 << 14;
        let hash =
            |start: Stream, words: &mut dyn Iterator<Item = u64>| words.fold(start, Stream::index).hash();
        let start = Seed::new(self.len() as u64).stream("plan-fingerprint");
        let chunks: Vec<u64> = self
            .draws
            .par_chunks(CHUNK)
            .map(|chunk| hash(start, &mut chunk.iter().map(|draw| draw.0)))
            .collect();
        hash(start, &mut chunks.into_iter())
    }

    /// The state of a run that has consumed the first `position` draws of this plan, which was made from
    /// `seed.stream(stream)` for `epoch`.
    ///
    /// # Errors
    /// A position beyond the end.
    pub fn state(&self, seed: Seed, stream: &str, epoch: u64, position: usize) -> Result<PlanState> {
        if position > self.len() {
            return Err(Error::invalid("position", position, format!("at most {}", self.len())));
        }
        let (stream, position) = (stream.to_owned(), position as u64);
        Ok(PlanState { seed, stream, epoch, position, fingerprint: self.fingerprint() })
    }

    /// The draws that are left after `state`, where this plan was rebuilt from [`PlanState::stream`] and
    /// [`PlanState::epoch`].
    ///
    /// # Errors
    /// The plan is not the one that the state was taken of, because weights, mode or size differ.
    pub fn resume(&self, state: &PlanState) -> Result<&[Draw]> {
        if state.fingerprint != self.fingerprint() {
            return Err(Error::Resume { reason: "the plan differs from the one that was saved".into() });
        }
        usize::try_from(state.position).ok().and_then(|position| self.draws.get(position..)).ok_or_else(
            || Error::Resume {
                reason: format!("position {} lies beyond the {} draws", state.position, self.len()),
            },
        )
    }

    pub(crate) fn copies_exceeded(found: u64) -> Error {
        Error::TooMany {
            what: "draws of one example",
            found,
            limit: Draw::MAX_COPIES,
            remedy: "draw less per epoch, or flatten the weights",
        }
    }
}

/// Where a run stands within an epoch: enough, with the weights, to continue after a restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanState {
    /// Root seed of the run.
    pub seed: Seed,
    /// Name of the stream that orders the epochs.
    pub stream: String,
    /// Epoch number.
    pub epoch: u64,
    /// Draws already consumed.
    pub position: u64,
    /// [`EpochPlan::fingerprint`] of the plan.
    pub fingerprint: u64,
}

impl PlanState {
    /// The stream to rebuild the plan from.
    pub fn stream(&self) -> Stream {
        self.seed.stream(&self.stream)
    }
}

/// Draws of one epoch, 8 TiB of them.
const MAX_DRAWS: usize = 1 << 40;

fn check_sizes(examples: usize, draws: usize) -> Result<()> {
    if draws == 0 {
        return Err(Error::Empty { what: "epoch plan".into() });
    }
    if examples > Draw::MAX_EXAMPLES {
        return Err(Error::TooMany {
            what: "examples",
            found: examples as u64,
            limit: Draw::MAX_EXAMPLES as u64,
            remedy: "plan each part of the dataset on its own",
        });
    }
    // More would not be refused by the allocator but end the program.
    if draws > MAX_DRAWS {
        return Err(Error::TooMany {
            what: "draws",
            found: draws as u64,
            limit: MAX_DRAWS as u64,
            remedy: "draw fewer and more epochs",
        });
    }
    // Some example would be drawn too often, whatever the weights.
    let least = draws.div_ceil(examples.max(1)) as u64;
    if least > Draw::MAX_COPIES {
        return Err(EpochPlan::copies_exceeded(least));
    }
    Ok(())
}
