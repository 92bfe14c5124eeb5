//! The distribution of keys, known to within a small share of the mass.

use serde::{Deserialize, Serialize};

use super::cells::{Cell, CellColumns};
use super::counts::{Counts, MOST_MASS, Parents};
use crate::mass_table::MassTable;
use crate::{Error, Result};

/// A cell of several keys that holds more than this share of the mass is counted again, in finer cells.
const HEAVY: u64 = 4096;

/// Points of the tables that are made of sketches: their resolution is that of the cells, not that of
/// [`TABLE_POINTS`](crate::TABLE_POINTS).
pub(crate) const SKETCH_POINTS: usize = 4097;

/// Cells in increasing order that hold all of the mass.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Histogram {
    bits: u32,
    /// Bits that are resolved where a cell may be heavy.
    depth: u32,
    cells: Vec<Cell>,
    total: u64,
}

impl Histogram {
    /// Of the first pass over the keys.
    pub(crate) fn of_counts(counts: &Counts) -> Self {
        let (bits, depth) = (counts.parents().bits, counts.parents().child_depth());
        let cells: Vec<Cell> = counts.cells().collect();
        let total = cells.iter().map(|cell| cell.mass).sum();
        Self { bits, depth, cells, total }
    }

    fn is_heavy(&self, cell: Cell) -> bool {
        !cell.is_exact() && cell.mass > self.total / HEAVY
    }

    /// What the next pass has to count: `None` where no cell is heavy. Their number is at most 4096.
    pub(crate) fn unresolved(&self) -> Option<Parents> {
        let heavy = self.cells.iter().filter(|&&cell| self.is_heavy(cell));
        let prefixes: Vec<u64> = heavy.map(|cell| cell.min >> (self.bits - self.depth)).collect();
        (!prefixes.is_empty()).then_some(Parents {
            bits: self.bits,
            depth: self.depth,
            prefixes: Some(prefixes),
        })
    }

    /// The histogram with its heavy cells replaced by what a pass over the same keys counted within them. `None` when
    /// these were other keys: a heavy cell and its parts differ in mass.
    pub(crate) fn refined(self, counts: &Counts) -> Option<Self> {
        let shift = self.bits - self.depth;
        let mut children = counts.cells().peekable();
        let mut cells = Vec::with_capacity(self.cells.len());
        for &cell in &self.cells {
            if !self.is_heavy(cell) {
                cells.push(cell);
                continue;
            }
            let first = cells.len();
            while let Some(child) = children.next_if(|child| child.min >> shift == cell.min >> shift) {
                cells.push(child);
            }
            if cells[first..].iter().map(|part: &Cell| part.mass).sum::<u64>() != cell.mass {
                return None;
            }
        }
        Some(Self { cells, depth: counts.parents().child_depth(), ..self })
    }

    /// The largest error of a rank, as a share of the mass: half of the heaviest cell whose keys are not told apart.
    pub(crate) fn rank_error(&self) -> f64 {
        let inexact = self.cells.iter().filter(|cell| !cell.is_exact()).map(|cell| cell.mass);
        inexact.max().unwrap_or(0) as f64 / (2 * self.total) as f64
    }

    /// The distribution over the values that belong to the keys, increasing with them.
    ///
    /// The mass of a cell of several keys is put on the first and the last there may be, half each: a key within the cell
    /// then has half of its mass below itself, and no rank is off by more than half of the cell.
    pub(crate) fn table(&self, value: impl Fn(u64) -> f64 + Clone) -> MassTable {
        let groups = self.cells.iter().flat_map(move |&Cell { min, max, mass }| {
            let (first, last) = if min == max { (mass, 0) } else { (mass / 2, mass - mass / 2) };
            [(min, first), (max, last)].into_iter().take(if min == max { 1 } else { 2 })
        });
        MassTable::from_groups(groups.map(move |(key, mass)| (value(key), mass)), SKETCH_POINTS)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HistogramFile {
    bits: u32,
    depth: u32,
    cells: CellColumns,
}

impl From<&Histogram> for HistogramFile {
    fn from(histogram: &Histogram) -> Self {
        let cells = CellColumns::of(histogram.cells.iter().copied());
        Self { bits: histogram.bits, depth: histogram.depth, cells }
    }
}

impl TryFrom<HistogramFile> for Histogram {
    type Error = Error;

    fn try_from(HistogramFile { bits, depth, cells }: HistogramFile) -> Result<Self> {
        let damaged = |reason: &str| Error::SketchFormat { reason: reason.to_owned() };
        if !(1..=54).contains(&bits) || depth > bits {
            return Err(damaged("bits must lie in 1..=54, and depth within them"));
        }
        let cells = cells.into_cells()?;
        if cells.is_empty() || cells.iter().any(|cell| cell.max >> bits != 0) {
            return Err(damaged("a histogram must have cells, and its keys must fit their bits"));
        }
        let total = cells.iter().try_fold(0_u64, |sum, cell| sum.checked_add(cell.mass));
        match total {
            Some(total) if total <= MOST_MASS => Ok(Self { bits, depth, cells, total }),
            _ => Err(damaged("the total mass must be at most 2^62")),
        }
    }
}
