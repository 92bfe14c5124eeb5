//! Sets of neighbouring keys with their mass.

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Keys that are not told apart, and their mass: the one key there is, or the smallest and the largest that there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) min: u64,
    pub(crate) max: u64,
    pub(crate) mass: u64,
}

impl Cell {
    /// Whether it is known where within the cell the mass lies: on one key.
    pub(crate) const fn is_exact(self) -> bool {
        self.min == self.max
    }
}

/// Cells in increasing order as they are kept in a file: small numbers, so that their text is short.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CellColumns {
    /// Distance of the smallest key from the largest of the cell before, or from 0.
    gap: Vec<u64>,
    /// Distance of the largest key from the smallest.
    span: Vec<u64>,
    mass: Vec<u64>,
}

impl CellColumns {
    pub(crate) fn of(cells: impl Iterator<Item = Cell>) -> Self {
        let mut columns = Self::default();
        let mut last = 0;
        for Cell { min, max, mass } in cells {
            columns.gap.push(min - last);
            columns.span.push(max - min);
            columns.mass.push(mass);
            last = max;
        }
        columns
    }

    /// The cells, in increasing order, none without mass.
    pub(crate) fn into_cells(self) -> Result<Vec<Cell>> {
        let damaged = |reason: &str| Error::SketchFormat { reason: reason.to_owned() };
        if self.span.len() != self.gap.len() || self.mass.len() != self.gap.len() {
            return Err(damaged("gap, span and mass must have the same length"));
        }
        let mut last = 0_u64;
        let mut cells = Vec::with_capacity(self.gap.len());
        for (i, ((gap, span), mass)) in self.gap.into_iter().zip(self.span).zip(self.mass).enumerate() {
            let min = last.checked_add(gap);
            let (Some(min), Some(max)) = (min, min.and_then(|min| min.checked_add(span))) else {
                return Err(damaged("a key is beyond 2^64"));
            };
            if mass == 0 || (i > 0 && gap == 0) {
                return Err(damaged("every cell must have mass and keys of its own"));
            }
            cells.push(Cell { min, max, mass });
            last = max;
        }
        Ok(cells)
    }
}
