//! Unmasking (RFC 6455 §5.3), in place.

const BLOCK: usize = 32;

/// XOR `payload` with `mask`, whose first byte belongs to the first byte of `payload`. The fixed block is what the compiler
/// turns into vector instructions.
pub(super) fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    let (blocks, tail) = payload.as_chunks_mut::<BLOCK>();
    let wide = repeat(mask);
    for block in blocks {
        for (byte, key) in block.iter_mut().zip(&wide) {
            *byte ^= key;
        }
    }
    let (words, tail) = tail.as_chunks_mut::<4>();
    for word in words {
        *word = (u32::from_ne_bytes(*word) ^ u32::from_ne_bytes(mask)).to_ne_bytes();
    }
    for (byte, key) in tail.iter_mut().zip(mask) {
        *byte ^= key;
    }
}

/// The mask for what follows `taken` bytes.
pub(super) fn turned(mut mask: [u8; 4], taken: usize) -> [u8; 4] {
    mask.rotate_left(taken & 3);
    mask
}

fn repeat(mask: [u8; 4]) -> [u8; BLOCK] {
    let mut wide = [0; BLOCK];
    for word in wide.as_chunks_mut::<4>().0 {
        *word = mask;
    }
    wide
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Each byte meets the byte of the mask at its place modulo 4, for every length and every cut.
        #[test]
        fn unmask_is_the_xor_of_the_rfc(payload: Vec<u8>, mask: [u8; 4], cut: prop::sample::Index) {
            let expected: Vec<u8> = payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
            let cut = cut.index(payload.len() + 1);
            let mut actual = payload;
            let (head, tail) = actual.split_at_mut(cut);
            unmask(head, mask);
            unmask(tail, turned(mask, cut));
            prop_assert_eq!(expected, actual);
        }
    }
}
