//! The order of the keys of one bucket.

use rayon::prelude::*;

/// Keys from which sorting one bucket is spread over threads: as many arise only where most keys are alike.
const PARALLEL: usize = 1 << 18;

/// Scratch space that sorts the keys of one bucket after another.
#[derive(Default)]
pub(crate) struct BucketOrder {
    packed: Vec<u64>,
    cells: Vec<u32>,
}

impl BucketOrder {
    /// The places `0 .. len` in the order of `(key, place)`; keys are below `2^width`, `width <= 64`.
    ///
    /// The leading bits of a key and its place are packed into one integer; where these bits are all of the key's, that
    /// is the order already, and otherwise the few that are alike are compared in full.
    pub(crate) fn sort(&mut self, len: usize, width: u32, key: impl Fn(usize) -> u64 + Sync) -> Sorted<'_> {
        let place_bits = usize::BITS - len.saturating_sub(1).leading_zeros();
        let mask = (1_u64 << place_bits) - 1;
        let key_bits = 64 - place_bits;
        let leading = |i: usize| if width > key_bits { key(i) >> (width - key_bits) } else { key(i) };
        let pack = |i: usize| leading(i).unbounded_shl(place_bits) | i as u64;
        if len < PARALLEL {
            self.sort_by_cells(len, width.min(key_bits), leading, pack);
        } else {
            self.packed.clear();
            self.packed.par_extend((0..len).into_par_iter().map(pack));
            self.packed.par_sort_unstable();
        }
        if width > key_bits {
            for alike in self.packed.chunk_by_mut(|a, b| a & !mask == b & !mask) {
                if alike.len() > 1 {
                    alike.sort_unstable_by_key(|packed| (key((packed & mask) as usize), *packed));
                }
            }
        }
        Sorted { packed: &self.packed, mask }
    }

    /// Fills `packed` in order, for leading bits below `2^width`.
    ///
    /// As many cells of the leading bits as there are places: evenly spread keys find one or two in each, and counting alone
    /// nearly puts them in order.
    fn sort_by_cells(
        &mut self,
        len: usize,
        width: u32,
        leading: impl Fn(usize) -> u64,
        pack: impl Fn(usize) -> u64,
    ) {
        let bits = len.checked_ilog2().unwrap_or(0).min(width);
        let cell = |i: usize| leading(i).unbounded_shr(width - bits) as usize;
        self.cells.clear();
        self.cells.resize(1 << bits, 0);
        for i in 0..len {
            self.cells[cell(i)] += 1;
        }
        // Counts become the first place of each cell, and that its end.
        let (mut before, mut fullest) = (0, 0);
        for count in &mut self.cells {
            fullest = fullest.max(*count);
            (*count, before) = (before, before + *count);
        }
        self.packed.clear();
        self.packed.resize(len, 0);
        for i in 0..len {
            let place = &mut self.cells[cell(i)];
            self.packed[*place as usize] = pack(i);
            *place += 1;
        }
        if fullest <= FEW {
            insertion_sort(&mut self.packed);
            return;
        }
        let mut first = 0;
        for &end in &self.cells {
            self.packed[first..end as usize].sort_unstable();
            first = end as usize;
        }
    }
}

/// Places in the order of their keys.
pub(crate) struct Sorted<'a> {
    packed: &'a [u64],
    /// The bits of the place.
    mask: u64,
}

impl Sorted<'_> {
    pub(crate) fn len(&self) -> usize {
        self.packed.len()
    }

    /// The place of the `i`-th key in order.
    pub(crate) fn place(&self, i: usize) -> usize {
        (self.packed[i] & self.mask) as usize
    }

    /// All places, in order.
    pub(crate) fn places(&self) -> impl Iterator<Item = usize> {
        self.packed.iter().map(|packed| (packed & self.mask) as usize)
    }

    /// Whether the `i`-th and the `j`-th key in order may be equal; false for most that differ, without a look at the keys.
    pub(crate) fn alike(&self, i: usize, j: usize) -> bool {
        (self.packed[i] ^ self.packed[j]) & !self.mask == 0
    }
}

/// Keys of a cell up to which they are put in order by insertion.
const FEW: u32 = 24;

/// For values that are nearly in order.
fn insertion_sort(values: &mut [u64]) {
    for i in 1..values.len() {
        let value = values[i];
        let mut place = i;
        while place > 0 && values[place - 1] > value {
            values[place] = values[place - 1];
            place -= 1;
        }
        values[place] = value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn places_are_in_the_order_of_key_and_place(
            keys in prop::collection::vec(prop_oneof![any::<u64>(), 0_u64..4, (0_u64..4).prop_map(|k| k << 60)], 0..200),
            width in 2_u32..=64,
        ) {
            let keys: Vec<u64> = keys.into_iter().map(|key| key >> (64 - width)).collect();
            let mut expected: Vec<usize> = (0..keys.len()).collect();
            expected.sort_by_key(|&i| keys[i]);
            let mut scratch = BucketOrder::default();
            let found = scratch.sort(keys.len(), width, |i| keys[i]);
            prop_assert_eq!(found.places().collect::<Vec<_>>(), &*expected);
            for i in 1..keys.len() {
                prop_assert_eq!(found.place(i), expected[i]);
                prop_assert!(found.alike(i - 1, i) || keys[expected[i - 1]] != keys[expected[i]]);
            }
        }
    }
}
