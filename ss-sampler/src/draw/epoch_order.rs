//! The order of an epoch: draws sorted by a hash.

use rayon::prelude::*;
use ss_seed::Stream;

use crate::Draw;
use crate::partition::{BucketOrder, Partition, bucket_bits, cut};

/// `draw_of(0 .. m)`, which increase, in the order of the hash of (epoch, example, copy); `stream` is already that of the
/// epoch.
///
/// Draws go to buckets by the leading bits of the hash, which is evenly spread, and are sorted there. Takes no memory
/// besides the result.
pub(crate) fn in_epoch_order(m: usize, draw_of: impl Fn(usize) -> Draw + Sync, stream: Stream) -> Vec<Draw> {
    let hash = |draw: Draw| stream.index(draw.example() as u64).index(draw.copy().into()).hash();
    let bits = bucket_bits(m);
    let within = u64::BITS - bits;
    let partition = Partition::new(m, 1 << bits, |i| Some(hash(draw_of(i)).unbounded_shr(within) as usize));
    let mut draws = partition.scatter(Draw::new(0, 0), &draw_of);
    let low = u64::MAX >> bits;
    cut(&partition.sizes(), &mut draws).into_par_iter().for_each_init(
        Scratch::default,
        |Scratch { hashes, order, sorted }, bucket| {
            hashes.clear();
            hashes.extend(bucket.iter().map(|&draw| hash(draw) & low));
            // Places are in the order of the draws, so draws of equal hash are too.
            let order = order.sort(bucket.len(), within, |place| hashes[place]);
            sorted.clear();
            sorted.extend(order.places().map(|place| bucket[place]));
            bucket.copy_from_slice(sorted);
        },
    );
    draws
}

#[derive(Default)]
struct Scratch {
    hashes: Vec<u64>,
    order: BucketOrder,
    sorted: Vec<Draw>,
}
