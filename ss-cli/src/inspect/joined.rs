//! Which row of one table belongs to which row of another.

use crate::{Error, Result};

/// The row of each of `wanted` in `ids`, which are unique; `None` where both are the same list.
///
/// # Errors
/// [`Error::NoFeaturesOf`] for an identifier that `ids`, of the table called `place`, lack.
pub fn rows_of(wanted: &[u64], ids: &[u64], place: &str) -> Result<Option<Vec<usize>>> {
    if wanted == ids {
        return Ok(None);
    }
    let mut order: Vec<(u64, usize)> = ids.iter().enumerate().map(|(row, &id)| (id, row)).collect();
    order.sort_unstable();
    let row = |&id: &u64| match order.binary_search_by_key(&id, |entry| entry.0) {
        Ok(at) => Ok(order[at].1),
        Err(_) => Err(Error::NoFeaturesOf { place: place.to_owned(), id }),
    };
    wanted.iter().map(row).collect::<Result<Vec<_>>>().map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_found_by_identifier() {
        assert_eq!(rows_of(&[3, 1], &[3, 1], "t").unwrap(), None);
        assert_eq!(rows_of(&[1, 9, 3], &[3, 1, 7, 9], "t").unwrap(), Some(vec![1, 3, 0]));
        let error = rows_of(&[4], &[3, 1], "f.parquet").unwrap_err().to_string();
        assert!(error.contains("f.parquet") && error.contains("identifier 4"), "{error}");
    }
}
