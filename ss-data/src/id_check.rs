//! Whether identifiers are unique, in bounded memory.

use std::path::Path;

use crate::error::Result;
use crate::table::check_ids;

/// Looks at identifiers in the order of the rows. As long as they increase they are unique, and nothing is kept; others are
/// compared at the end, if there are few enough to keep them all.
#[derive(Clone, Debug, Default)]
pub struct IdCheck {
    limit: usize,
    ids: Vec<u64>,
    last: Option<u64>,
    increasing: bool,
    complete: bool,
}

impl IdCheck {
    /// Keeps up to so many identifiers, of 8 bytes each.
    pub const fn keeping(limit: usize) -> Self {
        Self { limit, ids: Vec::new(), last: None, increasing: true, complete: true }
    }

    /// Takes the identifiers of the next rows.
    pub fn push(&mut self, ids: &[u64]) {
        let Some(&first) = ids.first() else { return };
        self.increasing &= self.last < Some(first) && ids.is_sorted_by(|a, b| a < b);
        self.last = ids.last().copied();
        self.complete &= self.ids.len() + ids.len() <= self.limit;
        if self.complete {
            self.ids.extend_from_slice(ids);
        } else {
            self.ids = Vec::new();
        }
    }

    /// Whether the identifiers are known to be unique: not when they did not increase and were too many to keep.
    ///
    /// # Errors
    /// [`Error::Duplicate`](crate::Error::Duplicate) with both rows.
    pub fn finish(self, place: &str) -> Result<bool> {
        if self.increasing {
            return Ok(true);
        }
        if !self.complete {
            return Ok(false);
        }
        check_ids(&self.ids).map(|()| true).map_err(|error| error.in_file(Path::new(place)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(blocks: &[&[u64]], limit: usize) -> std::result::Result<bool, String> {
        let mut check = IdCheck::keeping(limit);
        blocks.iter().for_each(|block| check.push(block));
        check.finish("place").map_err(|error| error.to_string())
    }

    #[test]
    fn increasing_ones_are_unique_and_others_are_compared() {
        assert_eq!(check(&[&[0, 1], &[2, u64::MAX]], 0), Ok(true));
        assert_eq!(check(&[&[], &[0, 1], &[], &[2]], 0), Ok(true), "a block without rows says nothing");
        assert_eq!(check(&[&[3, 4], &[1, 0]], 4), Ok(true));
        assert_eq!(check(&[&[3, 4], &[1, 0]], 3), Ok(false));
        let message = check(&[&[3, 4], &[1, 4]], 4).unwrap_err();
        assert!(
            message.contains("place") && message.contains("identifier 4 occurs in places 1 and 3"),
            "{message}"
        );
        assert!(check(&[&[3, 3]], 2).is_err());
        assert!(check(&[&[3], &[3]], 2).is_err());
    }
}
