//! FNV-1a, 64 bits (Fowler, Noll, Vo): tells copies of data apart, and is no protection against intent.

/// A digest of bytes, taken piece by piece.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fnv(u64);

impl Fnv {
    pub(crate) const fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    /// Takes the next bytes, or whole numbers, each in one step.
    pub(crate) fn add<N: Into<u64>>(&mut self, numbers: impl IntoIterator<Item = N>) {
        let step = |hash: u64, number: N| (hash ^ number.into()).wrapping_mul(0x0100_0000_01b3);
        self.0 = numbers.into_iter().fold(self.0, step);
    }

    /// The digest of all bytes taken.
    pub(crate) const fn value(self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_the_published_one() {
        // draft-eastlake-fnv-17, appendix C: 64 bits, FNV-1a of "" and "foobar".
        assert_eq!(Fnv::new().value(), 0xcbf2_9ce4_8422_2325);
        let mut digest = Fnv::new();
        digest.add(*b"foo");
        digest.add(*b"bar");
        assert_eq!(digest.value(), 0x8594_4171_f739_67e8);
    }
}
