//! Integers that compare as the values of a column do.

/// Bits of a finite f32 that compare as the numbers do; both zeros are equal.
pub(crate) const fn ordered_bits(value: f32) -> u32 {
    // -0 + 0 is 0.
    let bits = (value + 0.0).to_bits();
    if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
}

/// The value with these [`ordered_bits`].
pub(crate) const fn value_of_bits(bits: u32) -> f32 {
    f32::from_bits(if bits >> 31 == 1 { bits & !(1 << 31) } else { !bits })
}
