//! Scrambled Sobol points.

use ss_seed::Stream;

/// Length of one Sobol sequence in `sobol_burley`; longer requests continue with another scramble.
const SEQUENCE: u64 = 1 << 16;

/// A hash-scrambled (Owen) Sobol sequence in `[0, 1)^dim` whose scramble comes from a random stream
/// (Burley 2020, "Practical Hash-based Owen Scrambling").
///
/// The first `2^k` points fill the cube evenly for every `k`. Coordinates have 24 bits. Beyond 256
/// dimensions or 65,536 points, blocks with independent scrambles are joined.
///
/// ```
/// use ss_bo::sobol::Sobol;
/// use ss_seed::Seed;
///
/// let points = Sobol::new(2, Seed::new(1).stream("design"));
/// // Four points: one in each quarter of every axis.
/// let mut quarters: Vec<u8> = (0..4).map(|i| (points.point(i)[0] * 4.0) as u8).collect();
/// quarters.sort();
/// assert_eq!(quarters, [0, 1, 2, 3]);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Sobol {
    dim: usize,
    stream: Stream,
}

impl Sobol {
    /// The sequence of dimension `dim` with the scramble of `stream`.
    pub fn new(dim: usize, stream: Stream) -> Self {
        Self { dim, stream }
    }

    /// Point number `index`, a vector of `dim` coordinates.
    pub fn point(&self, index: u64) -> Vec<f64> {
        let mut x = vec![0.0; self.dim];
        self.write(index, &mut x);
        x
    }

    /// Writes point number `index` to `x`, of length `dim`.
    pub(crate) fn write(&self, index: u64, x: &mut [f64]) {
        let width = sobol_burley::NUM_DIMENSIONS as usize;
        for (block, chunk) in x.chunks_mut(width).enumerate() {
            let scramble = self.stream.index(index / SEQUENCE).index(block as u64).hash() as u32;
            for (set, four) in chunk.chunks_mut(4).enumerate() {
                let values = sobol_burley::sample_4d((index % SEQUENCE) as u32, set as u32, scramble);
                for (v, s) in four.iter_mut().zip(values) {
                    *v = f64::from(s);
                }
            }
        }
    }
}
