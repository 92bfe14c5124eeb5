//! Where a key lies among sorted points, for lookups by the million.

use crate::ordered_bits::ordered_bits;

/// Bits of a key that say in which block of the index it lies.
const BLOCK_BITS: u32 = 10;
/// Cells of a block for each point in it: few points share a cell, and the index stays in the cache.
const CELLS_PER_POINT: usize = 2;

/// Set in the start of a cell with several points.
const CROWDED: u32 = 1 << 31;

/// The points of a function of keys.
///
/// A monotone map sends keys to integers, these to blocks of equal width, and the integers of a block to cells, which are the
/// narrower the more points the block has. All points before a cell are below its keys and all after it above; so a cell
/// with one point or none takes one comparison, whose outcome the processor need not guess. Points that crowd in a cell are
/// searched; as points lie at quantiles, few keys meet such a cell.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct KeyIndex<M> {
    map: M,
    /// The integers of the first key, and of the last less that.
    first: u32,
    last: u32,
    /// Bits of an integer below its block.
    shift: u32,
    blocks: Vec<Block>,
    /// For each cell, the number of points in cells before it, with [`CROWDED`] set when it holds several points; one more
    /// at the end.
    starts: Vec<u32>,
    /// Of the points, in increasing order; infinity at the end.
    keys: Vec<f64>,
}

/// A block of the index: its first cell, and the bits of an integer below a cell.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Block {
    first_cell: u32,
    shift: u32,
}

/// How keys become integers; monotone, which is all that the search relies on.
pub(crate) trait KeyMap: Copy {
    fn integer(self, key: f64) -> u32;
}

/// The bits of the nearest f32: for features, whose scale may be anything.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct FloatBits;

impl KeyMap for FloatBits {
    #[inline]
    fn integer(self, key: f64) -> u32 {
        ordered_bits(key as f32)
    }
}

/// Evenly: for `z`, a sum of ranks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Even {
    first: f64,
    scale: f64,
}

impl Even {
    /// Over keys in increasing order, at least one.
    pub(crate) fn over(keys: &[f64]) -> Self {
        let (first, span) = (keys[0], keys[keys.len() - 1] - keys[0]);
        let scale = if span > 0.0 { f64::from(1_u32 << 31) / span } else { 0.0 };
        Self { first, scale }
    }
}

impl KeyMap for Even {
    #[inline]
    fn integer(self, key: f64) -> u32 {
        // The cast takes everything below zero to zero.
        ((key - self.first) * self.scale) as u32
    }
}

impl<M: KeyMap> KeyIndex<M> {
    /// Of points in strictly increasing order, at least one.
    pub(crate) fn new(keys: &[f64], map: M) -> Self {
        let first = map.integer(keys[0]);
        let last = map.integer(keys[keys.len() - 1]) - first;
        let shift = (u32::BITS - last.leading_zeros()).saturating_sub(BLOCK_BITS);
        let mut points = vec![0; (last >> shift) as usize + 1];
        for &key in keys {
            points[((map.integer(key) - first) >> shift) as usize] += 1;
        }
        let mut cells = 0;
        let block = |&points: &usize| {
            let bits = (CELLS_PER_POINT * points).next_power_of_two().ilog2().min(shift);
            let first_cell = cells;
            cells += 1 << bits;
            Block { first_cell, shift: shift - bits }
        };
        let blocks = points.iter().map(block).collect();
        let mut index = Self { map, first, last, shift, blocks, starts: Vec::new(), keys: keys.to_vec() };
        let mut within = vec![0; cells as usize];
        for &key in keys {
            within[index.cell(key)] += 1;
        }
        let mut before = 0;
        for points in within {
            index.starts.push(if points > 1 { before | CROWDED } else { before });
            before += points;
        }
        index.starts.push(before);
        index.keys.push(f64::INFINITY);
        index
    }

    #[inline]
    fn cell(&self, key: f64) -> usize {
        let integer = self.map.integer(key).saturating_sub(self.first).min(self.last);
        let block = self.blocks[(integer >> self.shift) as usize];
        let within = integer & ((1 << self.shift) - 1);
        (block.first_cell + (within >> block.shift)) as usize
    }

    /// The first point that is not below `key`, or the number of points where all are, and whether it is at `key`.
    #[inline]
    pub(crate) fn find(&self, key: f64) -> (usize, bool) {
        let cell = self.cell(key);
        let start = self.starts[cell];
        let right = if start & CROWDED == 0 {
            start as usize + usize::from(self.keys[start as usize] < key)
        } else {
            self.find_in_crowd(cell, key)
        };
        (right, self.keys[right] == key)
    }

    #[cold]
    #[inline(never)]
    fn find_in_crowd(&self, cell: usize, key: f64) -> usize {
        let (start, end) = (self.starts[cell] & !CROWDED, self.starts[cell + 1] & !CROWDED);
        let (start, end) = (start as usize, end as usize);
        start + self.keys[start..end].partition_point(|&point| point < key)
    }
}
