//! What one pass over a dataset counts: the mass in each bucket of the keys.

use serde::{Deserialize, Serialize};

use super::cells::{Cell, CellColumns};
use crate::{Error, Result};

/// Bits of a key that one pass resolves below the buckets that it is given.
pub(crate) const DIGIT: u32 = 12;
const PAGE: usize = 1 << DIGIT;

/// Counts in the buckets of a set of parents: keys that agree in their first bits belong to the same parent, and the
/// next [`DIGIT`] bits say in which of its buckets a key lies. Keys of no parent are not counted.
///
/// Masses are integers and are added; so the counts of a dataset do not depend on how it was divided, or in which
/// order its parts were merged. Memory: 96 KiB for each parent that has a key.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Counts {
    parents: Parents,
    pages: Vec<Option<Box<[Bucket; PAGE]>>>,
}

/// Which parents are counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Parents {
    /// Bits of a key.
    pub(crate) bits: u32,
    /// Bits in which the keys of a parent agree.
    pub(crate) depth: u32,
    /// Those bits of each parent, in increasing order; all there are, where it is `None`.
    pub(crate) prefixes: Option<Vec<u64>>,
}

impl Parents {
    /// All parents of keys of so many bits.
    pub(crate) const fn all(bits: u32, depth: u32) -> Self {
        Self { bits, depth, prefixes: None }
    }

    /// Bits that are resolved when the children have been counted.
    pub(crate) fn child_depth(&self) -> u32 {
        (self.depth + DIGIT).min(self.bits)
    }

    fn len(&self) -> usize {
        self.prefixes.as_ref().map_or(1 << self.depth, Vec::len)
    }

    /// The number of the parent of a key.
    #[inline]
    fn of(&self, key: u64) -> Option<usize> {
        let prefix = key >> (self.bits - self.depth);
        match &self.prefixes {
            None => Some(prefix as usize),
            Some(prefixes) => prefixes.binary_search(&prefix).ok(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Bucket {
    mass: u64,
    /// Smallest and largest key seen.
    min: u64,
    max: u64,
}

const EMPTY: Bucket = Bucket { mass: 0, min: u64::MAX, max: 0 };

impl Counts {
    pub(crate) fn new(parents: Parents) -> Self {
        let pages = vec![None; parents.len()];
        Self { parents, pages }
    }

    pub(crate) const fn parents(&self) -> &Parents {
        &self.parents
    }

    /// Adds mass at a key. No mass, no trace.
    #[inline]
    pub(crate) fn add(&mut self, key: u64, mass: u64) {
        self.add_cell(Cell { min: key, max: key, mass });
    }

    #[inline]
    fn add_cell(&mut self, Cell { min, max, mass }: Cell) {
        if mass == 0 {
            return;
        }
        let Some(parent) = self.parents.of(min) else { return };
        let page = self.pages[parent].get_or_insert_with(|| Box::new([EMPTY; PAGE]));
        // The bits above the digit are the parent's; a last digit may be shorter.
        let shift = self.parents.bits - self.parents.child_depth();
        let digit = (1 << (self.parents.child_depth() - self.parents.depth)) - 1;
        let bucket = &mut page[(min >> shift) as usize & digit & (PAGE - 1)];
        bucket.mass += mass;
        bucket.min = bucket.min.min(min);
        bucket.max = bucket.max.max(max);
    }

    /// Adds what was counted elsewhere for the same parents.
    pub(crate) fn merge(&mut self, other: Self) {
        debug_assert_eq!(self.parents, other.parents);
        for (page, other) in self.pages.iter_mut().zip(other.pages) {
            match (page.as_mut(), other) {
                (_, None) => {}
                (None, other) => *page = other,
                (Some(page), Some(other)) => {
                    for (bucket, other) in page.iter_mut().zip(other.iter()) {
                        bucket.mass += other.mass;
                        bucket.min = bucket.min.min(other.min);
                        bucket.max = bucket.max.max(other.max);
                    }
                }
            }
        }
    }

    /// The buckets that hold mass, in the order of their keys.
    pub(crate) fn cells(&self) -> impl Iterator<Item = Cell> + '_ {
        let buckets = self.pages.iter().flatten().flat_map(|page| page.iter());
        buckets.filter(|bucket| bucket.mass > 0).map(|&Bucket { mass, min, max }| Cell { min, max, mass })
    }

    /// Sum of all mass.
    pub(crate) fn total(&self) -> u64 {
        self.cells().map(|cell| cell.mass).sum()
    }

    /// Reads back what [`cells`](Self::cells) gave.
    pub(crate) fn from_cells(parents: Parents, columns: CellColumns) -> Result<Self> {
        let damaged = |reason: &str| Error::SketchFormat { reason: reason.to_owned() };
        let mut counts = Self::new(parents);
        let (bits, shift) = (counts.parents.bits, counts.parents.bits - counts.parents.child_depth());
        let (mut last, mut total) = (None, 0_u64);
        for cell in columns.into_cells()? {
            let bucket = cell.min >> shift;
            if cell.max >> bits != 0 || cell.max >> shift != bucket || last.is_some_and(|last| last >= bucket)
            {
                return Err(damaged("cells must be in order, each within one bucket"));
            }
            if counts.parents.of(cell.min).is_none() {
                return Err(damaged("a cell lies outside what its pass counts"));
            }
            total = total
                .checked_add(cell.mass)
                .filter(|&total| total <= 1 << 62)
                .ok_or_else(|| damaged("the total mass must be at most 2^62"))?;
            last = Some(bucket);
            counts.add_cell(cell);
        }
        Ok(counts)
    }
}
