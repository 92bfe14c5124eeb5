//! The last pass: weights from the features, written in the order of the rows.

use std::path::Path;

use ss_data::{IdCheck, RowBlock, Shards, WeightsWriter};
use ss_sampler::{Sampler, Totals};

use super::passes::threads;
use super::{Ids, columns_of, slices};
use crate::{Error, Result};

/// Identifiers that are kept to see whether they are unique: 32 MiB.
const IDS_KEPT: usize = 1 << 22;

/// Writes `id` and `probability` of every row: its `tau` over the sum of those of the whole dataset, of which these
/// shards may be a part of `rows` rows. The file appears whole or not at all. Returns whether identifiers are known to be
/// unique: not where they do not increase and are more than four million.
///
/// # Errors
/// [`Error::Data`] for files that cannot be read or written, and repeated identifiers; [`Error::RowsOf`] when these shards
/// are the whole dataset and have changed since they were counted.
pub fn write(
    out: &Path,
    shards: &Shards,
    ids: &Ids,
    sampler: &Sampler,
    totals: &Totals,
    rows: u64,
) -> Result<bool> {
    let (mut writer, encoder) = WeightsWriter::create(out, rows)?;
    let sum = totals.sum();
    let mut check = IdCheck::keeping(IDS_KEPT);
    let mut written = Totals::default();
    let score = |block: RowBlock| {
        let mut taus = Vec::new();
        sampler
            .taus_into(&slices(&block.columns), block.row_in_shard, &mut taus)
            .map_err(|reason| Error::RowsOf { place: shards.place_name(block.shard), reason })?;
        let mut of_block = Totals::default();
        of_block.add(&taus);
        taus.iter_mut().for_each(|tau| *tau /= sum);
        // Row numbers are unique.
        let seen = ids.column().is_some().then(|| block.ids.clone());
        Ok((encoder.encode(ids.of(&block), taus)?, seen, of_block))
    };
    let append = |(encoded, seen, of_block): (_, Option<Vec<u64>>, Totals)| {
        written.merge(of_block);
        if let Some(seen) = seen {
            check.push(&seen);
        }
        Ok::<_, Error>(writer.append(encoded)?)
    };
    let names = columns_of(sampler.spec(), false);
    shards.for_each_block(&names, ids.column(), threads(), score, append)?;
    let unique = check.finish(&shards.place_names())?;
    // No other part has so many rows. The sums are exact: they differ where a weight does.
    if rows == totals.rows() && written != *totals {
        let what = "the weights do not sum to what the passes before have found".to_owned();
        let remedy = "the files have changed between passes: start again";
        let reason = ss_sampler::Error::SketchMismatch { what, remedy };
        return Err(Error::RowsOf { place: shards.place_names(), reason });
    }
    writer.finish()?;
    Ok(unique)
}

/// The number of rows of shards: from the files where they say it, else by reading them.
///
/// # Errors
/// [`Error::Data`] for files that cannot be read.
pub fn count_rows(shards: &Shards, sampler: &Sampler) -> Result<u64> {
    if let Some(rows) = shards.rows() {
        return Ok(rows);
    }
    let mut rows = 0;
    let names = columns_of(sampler.spec(), false);
    let count = |block: RowBlock| Ok(block.rows() as u64);
    shards.for_each_block(&names, None, threads(), count, |block| {
        rows += block;
        Ok::<_, Error>(())
    })?;
    Ok(rows)
}
