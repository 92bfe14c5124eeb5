//! Rows spread over buckets, and values brought back from the buckets to the rows.
//!
//! Sorting a hundred million rows by a key moves every row many times through memory. Here a row moves once to the
//! bucket of its key's leading bits, the rest is done bucket by bucket in cache, and results come back by walking
//! the rows again in their order: the k-th row of a bucket finds its result at the k-th place there, so no
//! row numbers are kept. All passes read and write memory in streams, one a bucket.

mod order;

use std::ops::Range;
use std::slice::IterMut;

use rayon::prelude::*;

pub(crate) use order::BucketOrder;

/// Rows below which a second thread is not worth waking.
const SMALL_CHUNK: usize = 1 << 15;
/// Chunks at most: each keeps a place in every bucket.
const MOST_CHUNKS: usize = 32;
/// Rows that one bucket should hold, so that sorting them stays in the second-level cache.
const BUCKET_ROWS: usize = 1 << 15;
/// At most `2^12` buckets: as many streams as caches and page tables follow well.
const MOST_BITS: u32 = 12;
/// Rows whose places are worked out before their values are fetched: the processor then waits for the memory of many rows
/// at a time.
const GATHER_ROWS: usize = 1 << 8;

/// The logarithm of the number of buckets that suits this many rows of evenly spread keys.
pub(crate) const fn bucket_bits(rows: usize) -> u32 {
    let wanted = rows / BUCKET_ROWS;
    if wanted == 0 {
        return 0;
    }
    let bits = wanted.ilog2() + 1;
    if bits < MOST_BITS { bits } else { MOST_BITS }
}

/// A stable partition of rows: `bucket_of` says where a row goes, `None` leaves it out.
///
/// Within a bucket, rows keep their order, whatever the number of threads.
pub(crate) struct Partition<B> {
    layout: Layout,
    bucket_of: B,
}

/// Where the rows of every chunk lie in every bucket.
pub(crate) struct Layout {
    rows: usize,
    chunk_rows: usize,
    buckets: usize,
    /// `[chunk][bucket]`: rows of that chunk in that bucket.
    counts: Vec<Vec<u32>>,
}

impl<B: Fn(usize) -> Option<usize> + Sync> Partition<B> {
    /// Counts the rows of every bucket. `bucket_of` is asked again, about every row, by each pass.
    pub(crate) fn new(rows: usize, buckets: usize, bucket_of: B) -> Self {
        let most = (2 * rayon::current_num_threads()).min(MOST_CHUNKS);
        // A chunk's counts fill 32 bits.
        let chunks = (rows / SMALL_CHUNK).clamp(1, most).max(rows.div_ceil(1 << 31));
        let chunk_rows = rows.div_ceil(chunks).max(1);
        let count = |chunk: usize| {
            let mut counts = vec![0_u32; buckets];
            for row in chunk * chunk_rows..((chunk + 1) * chunk_rows).min(rows) {
                if let Some(bucket) = bucket_of(row) {
                    counts[bucket] += 1;
                }
            }
            counts
        };
        let counts = (0..chunks).into_par_iter().map(count).collect();
        Self { layout: Layout { rows, chunk_rows, buckets, counts }, bucket_of }
    }

    /// Number of rows in every bucket, `[buckets]`.
    pub(crate) fn sizes(&self) -> Vec<usize> {
        let Layout { buckets, counts, .. } = &self.layout;
        (0..*buckets).map(|b| counts.iter().map(|counts| counts[b] as usize).sum()).collect()
    }

    /// `value_of` of every row that has a bucket, bucket after bucket, in the order of the rows within each. `blank` is any
    /// value; memory for zeros comes at no cost.
    pub(crate) fn scatter<T: Copy + Send>(&self, blank: T, value_of: impl Fn(usize) -> T + Sync) -> Vec<T> {
        let mut spread = vec![blank; self.rows()];
        self.scatter_to(&mut spread, value_of);
        spread
    }

    /// [`scatter`](Self::scatter) to memory that is there already, `[rows]`.
    pub(crate) fn scatter_to<T: Send>(&self, spread: &mut [T], value_of: impl Fn(usize) -> T + Sync) {
        self.layout.places(spread).into_par_iter().enumerate().for_each(|(chunk, mut places)| {
            for row in self.layout.rows_of(chunk) {
                if let Some(bucket) = (self.bucket_of)(row)
                    && let Some(place) = places[bucket].next()
                {
                    *place = value_of(row);
                }
            }
        });
    }

    /// Two values of every row scattered in one pass.
    pub(crate) fn scatter_pairs<T: Copy + Send, U: Copy + Send>(
        &self,
        blank: (T, U),
        values_of: impl Fn(usize) -> (T, U) + Sync,
    ) -> (Vec<T>, Vec<U>) {
        let rows = self.rows();
        let (mut first, mut second) = (vec![blank.0; rows], vec![blank.1; rows]);
        let places = self.layout.places(&mut first).into_par_iter().zip(self.layout.places(&mut second));
        places.enumerate().for_each(|(chunk, (first, second))| {
            // Both places of a bucket lie side by side.
            let mut places: Vec<_> = first.into_iter().zip(second).collect();
            for row in self.layout.rows_of(chunk) {
                if let Some(bucket) = (self.bucket_of)(row)
                    && let (first, second) = &mut places[bucket]
                    && let Some(first) = first.next()
                    && let Some(second) = second.next()
                {
                    (*first, *second) = values_of(row);
                }
            }
        });
        (first, second)
    }

    /// Number of rows that have a bucket.
    fn rows(&self) -> usize {
        self.sizes().iter().sum()
    }

    /// The way back: calls `put(out[row], value)` for every row that has a bucket, with the value at its place in
    /// `spread`, which is laid out as [`scatter`](Self::scatter) does.
    pub(crate) fn gather<T: Copy + Sync, U: Send>(
        &self,
        spread: &[T],
        out: &mut [U],
        put: impl Fn(&mut U, T) + Sync,
    ) {
        self.layout.gather(spread, out, |row, _| (self.bucket_of)(row), put);
    }

    /// The layout alone, which does not hold on to what `bucket_of` borrows.
    pub(crate) fn into_layout(self) -> Layout {
        self.layout
    }
}

impl Layout {
    /// The rows of a chunk.
    fn rows_of(&self, chunk: usize) -> Range<usize> {
        chunk * self.chunk_rows..((chunk + 1) * self.chunk_rows).min(self.rows)
    }

    /// The places of every chunk in every bucket, `[chunk][bucket]`.
    fn places<'a, T>(&self, mut spread: &'a mut [T]) -> Vec<Vec<IterMut<'a, T>>> {
        let mut places: Vec<Vec<_>> = self.counts.iter().map(|_| Vec::with_capacity(self.buckets)).collect();
        for bucket in 0..self.buckets {
            for (counts, places) in self.counts.iter().zip(&mut places) {
                let (part, rest) = spread.split_at_mut(counts[bucket] as usize);
                places.push(part.iter_mut());
                spread = rest;
            }
        }
        places
    }

    /// The first place of every chunk in every bucket, `[chunk][bucket]`.
    fn first_places(&self) -> Vec<Vec<usize>> {
        let mut places: Vec<Vec<usize>> =
            self.counts.iter().map(|_| Vec::with_capacity(self.buckets)).collect();
        let mut next = 0;
        for bucket in 0..self.buckets {
            for (counts, places) in self.counts.iter().zip(&mut places) {
                places.push(next);
                next += counts[bucket] as usize;
            }
        }
        places
    }

    /// [`Partition::gather`] where the bucket of a row may be read off `out[row]`, before `put`.
    pub(crate) fn gather<T: Copy + Sync, U: Send>(
        &self,
        spread: &[T],
        out: &mut [U],
        bucket_of: impl Fn(usize, &U) -> Option<usize> + Sync,
        put: impl Fn(&mut U, T) + Sync,
    ) {
        self.first_places().into_par_iter().zip(out.par_chunks_mut(self.chunk_rows)).enumerate().for_each(
            |(chunk, (mut next, out))| {
                let rows = (chunk * self.chunk_rows..).step_by(GATHER_ROWS);
                let mut places = [0; GATHER_ROWS];
                for (row, out) in rows.zip(out.chunks_mut(GATHER_ROWS)) {
                    for ((row, out), place) in (row..).zip(&*out).zip(&mut places) {
                        *place = match bucket_of(row, out) {
                            Some(bucket) => {
                                next[bucket] += 1;
                                next[bucket] - 1
                            }
                            None => usize::MAX,
                        };
                    }
                    for (out, &place) in out.iter_mut().zip(&places) {
                        if let Some(&value) = spread.get(place) {
                            put(out, value);
                        }
                    }
                }
            },
        );
    }
}

/// Cuts values that lie bucket after bucket into their buckets.
pub(crate) fn cut<'a, T>(sizes: &[usize], mut values: &'a mut [T]) -> Vec<&'a mut [T]> {
    sizes
        .iter()
        .map(|&size| {
            let (bucket, rest) = std::mem::take(&mut values).split_at_mut(size);
            values = rest;
            bucket
        })
        .collect()
}

/// The sum of all masses before each of them.
pub(crate) fn sums_before(masses: impl IntoIterator<Item = u64>) -> Vec<u64> {
    masses
        .into_iter()
        .scan(0, |sum, mass| {
            let before = *sum;
            *sum += mass;
            Some(before)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn values_go_to_their_buckets_in_order_and_come_back(
            buckets_of in prop::collection::vec(prop::option::of(0_usize..7), 0..300),
            repeat in 1_usize..400,
        ) {
            // Repeated, so that there are several chunks.
            let rows = buckets_of.len() * repeat;
            let bucket_of = |row: usize| buckets_of[row % buckets_of.len()];
            let partition = Partition::new(rows, 7, bucket_of);
            let spread = partition.scatter(0, |row| row);
            let mut expected: Vec<(usize, usize)> =
                (0..rows).filter_map(|row| bucket_of(row).map(|bucket| (bucket, row))).collect();
            expected.sort_unstable();
            prop_assert_eq!(&spread, &expected.iter().map(|&(_, row)| row).collect::<Vec<_>>());
            let (same, negated) = partition.scatter_pairs((0, 0), |row| (row, !row));
            prop_assert_eq!(&same, &spread);
            prop_assert!(negated.iter().zip(&spread).all(|(negated, row)| *negated == !row));
            for (b, size) in partition.sizes().into_iter().enumerate() {
                prop_assert_eq!(size, expected.iter().filter(|&&(bucket, _)| bucket == b).count());
            }

            let mut back = vec![usize::MAX; rows];
            partition.gather(&spread, &mut back, |out, value| *out = value);
            for (row, back) in back.into_iter().enumerate() {
                prop_assert_eq!(back, bucket_of(row).map_or(usize::MAX, |_| row));
            }
        }
    }
}
