//! What one pass over a dataset counts: the mass in each bucket of the keys.

use serde::{Deserialize, Serialize};

use super::cells::{Cell, CellColumns};
use crate::{Error, Result};

/// Bits of a key that one pass resolves below the buckets that it is given.
pub(crate) const DIGIT: u32 = 12;

/// Counts in the buckets of a set of parents: keys that agree in their first bits belong to the same parent, and the
/// next [`DIGIT`] bits say in which of its buckets a key lies. Keys of no parent are not counted.
///
/// Masses are integers and are added; so the counts of a dataset do not depend on how it was divided, or in which
/// order its parts were merged. Memory: 16 bytes for each bucket of a parent that has a key, of which the half is looked at
/// often; a parent has 4096 buckets, and fewer where less than [`DIGIT`] bits of the key are left.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Counts {
    parents: Parents,
    pages: Vec<Option<Page>>,
    /// Bits of a key below its bucket, and which of the others say in which bucket of its parent it lies.
    shift: u32,
    digit: usize,
}

/// The buckets of a parent.
#[derive(Clone, Debug, PartialEq)]
struct Page {
    /// The mass of each bucket, with [`SEVERAL`] set when it is of more than one key.
    mass: Box<[u64]>,
    /// The one key of each bucket that has mass and one key; 0 for all others.
    only: Box<[u64]>,
}

/// Masses are at most [`MOST_MASS`].
const SEVERAL: u64 = 1 << 63;

/// What all the mass that is counted may sum to.
pub(crate) const MOST_MASS: u64 = 1 << 62;

impl Page {
    fn empty(buckets: usize) -> Self {
        Self { mass: vec![0; buckets].into(), only: vec![0; buckets].into() }
    }

    /// Adds mass at `only`, or at several keys.
    #[inline]
    fn add(&mut self, bucket: usize, mass: u64, only: u64) {
        let before = self.mass[bucket];
        let mut after = (before + (mass & !SEVERAL)) | (mass & SEVERAL);
        if before & SEVERAL == 0 {
            if before == 0 {
                self.only[bucket] = only;
            } else if self.only[bucket] != only {
                after |= SEVERAL;
            }
            if after & SEVERAL != 0 {
                self.only[bucket] = 0;
            }
        }
        self.mass[bucket] = after;
    }
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

    /// The first bits of a parent.
    fn prefix(&self, parent: usize) -> u64 {
        self.prefixes.as_ref().map_or(parent as u64, |prefixes| prefixes[parent])
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

impl Counts {
    pub(crate) fn new(parents: Parents) -> Self {
        let pages = vec![None; parents.len()];
        let shift = parents.bits - parents.child_depth();
        let digit = (1 << (parents.child_depth() - parents.depth)) - 1;
        Self { parents, pages, shift, digit }
    }

    pub(crate) const fn parents(&self) -> &Parents {
        &self.parents
    }

    /// Adds mass at a key. No mass, no trace.
    #[inline]
    pub(crate) fn add(&mut self, key: u64, mass: u64) {
        if mass > 0
            && let Some(parent) = self.parents.of(key)
        {
            let bucket = (key >> self.shift) as usize & self.digit;
            self.page(parent).add(bucket, mass, key);
        }
    }

    #[inline]
    fn page(&mut self, parent: usize) -> &mut Page {
        self.pages[parent].get_or_insert_with(|| Page::empty(self.digit + 1))
    }

    /// Adds what was counted elsewhere for the same parents.
    pub(crate) fn merge(&mut self, other: Self) {
        debug_assert_eq!(self.parents, other.parents);
        for (page, other) in self.pages.iter_mut().zip(other.pages) {
            match (page.as_mut(), other) {
                (_, None) => {}
                (None, other) => *page = other,
                (Some(page), Some(other)) => {
                    for (bucket, (&mass, &only)) in other.mass.iter().zip(&other.only).enumerate() {
                        if mass > 0 {
                            page.add(bucket, mass, only);
                        }
                    }
                }
            }
        }
    }

    /// The buckets that hold mass, in the order of their keys.
    pub(crate) fn cells(&self) -> impl Iterator<Item = Cell> + '_ {
        let pages = self.pages.iter().enumerate();
        pages.filter_map(|(parent, page)| Some((parent, page.as_ref()?))).flat_map(move |(parent, page)| {
            let prefix = self.parents.prefix(parent) << (self.parents.bits - self.parents.depth);
            let masses = page.mass.iter().enumerate().filter(|&(_, &mass)| mass > 0);
            masses.map(move |(bucket, &mass)| {
                let first = prefix | (bucket as u64) << self.shift;
                match mass & SEVERAL {
                    0 => Cell { min: page.only[bucket], max: page.only[bucket], mass },
                    _ => Cell { min: first, max: first | ((1 << self.shift) - 1), mass: mass & !SEVERAL },
                }
            })
        })
    }

    /// Sum of all mass.
    pub(crate) fn total(&self) -> u64 {
        self.cells().map(|cell| cell.mass).sum()
    }

    /// Reads back what [`cells`](Self::cells) gave.
    pub(crate) fn from_cells(parents: Parents, columns: CellColumns) -> Result<Self> {
        let damaged = |reason: &str| Error::SketchFormat { reason: reason.to_owned() };
        let mut counts = Self::new(parents);
        let (bits, shift) = (counts.parents.bits, counts.shift);
        let (mut last, mut total) = (None, 0_u64);
        for cell in columns.into_cells()? {
            let bucket = cell.min >> shift;
            let whole = (bucket << shift, bucket << shift | ((1 << shift) - 1));
            if cell.max >> bits != 0
                || !(cell.is_exact() || (cell.min, cell.max) == whole)
                || last.is_some_and(|last| last >= bucket)
            {
                return Err(damaged("cells must be in order, each a bucket or one key of it"));
            }
            let Some(parent) = counts.parents.of(cell.min) else {
                return Err(damaged("a cell lies outside what its pass counts"));
            };
            total = total
                .checked_add(cell.mass)
                .filter(|&total| total <= MOST_MASS)
                .ok_or_else(|| damaged("the total mass must be at most 2^62"))?;
            last = Some(bucket);
            let bucket = bucket as usize & counts.digit;
            let several = if cell.is_exact() { 0 } else { SEVERAL };
            counts.page(parent).add(bucket, cell.mass | several, cell.min);
        }
        Ok(counts)
    }
}
