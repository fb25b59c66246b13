//! The bytes that a connection sends: known at every offset, different for every connection.

/// SplitMix64 (Steele, Lea and Flood 2014): the finalizer that turns a counter into something without pattern.
fn mix(counter: u64) -> u64 {
    let z = counter.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The endless byte sequence of one connection.
#[derive(Clone, Copy)]
pub(crate) struct Pattern {
    origin: u64,
}

impl Pattern {
    pub(crate) fn new(seed: u64, connection: usize) -> Self {
        Pattern { origin: mix(mix(seed) ^ connection as u64) }
    }

    /// Writes the bytes that stand at `offset` and after it.
    pub(crate) fn fill(&self, offset: u64, out: &mut [u8]) {
        let within = (offset % 8) as usize;
        let mut word = self.origin.wrapping_add(offset / 8);
        let (first, rest) = out.split_at_mut(out.len().min((8 - within) % 8));
        if !first.is_empty() {
            first.copy_from_slice(&mix(word).to_le_bytes()[within..within + first.len()]);
            word = word.wrapping_add(1);
        }
        for eight in rest.chunks_mut(8) {
            eight.copy_from_slice(&mix(word).to_le_bytes()[..eight.len()]);
            word = word.wrapping_add(1);
        }
    }
}

/// The choices of one connection.
pub(crate) struct Random {
    state: u64,
}

impl Random {
    pub(crate) fn new(seed: u64, connection: usize) -> Self {
        Random { state: mix(!seed) ^ mix(connection as u64) }
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(1);
        mix(self.state)
    }

    /// A size from 1 to `most`, small ones as likely as large ones.
    pub(crate) fn size(&mut self, most: usize) -> usize {
        let most = most.max(1);
        let bits = u64::from(most.ilog2()) + 1;
        let widest = 1usize << (self.next() % bits + 1).min(63);
        1 + (self.next() as usize) % widest.min(most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_depends_on_its_offset_alone() {
        let pattern = Pattern::new(3, 5);
        let mut whole = [0; 100];
        pattern.fill(0, &mut whole);
        for start in 0..50 {
            for end in start..100 {
                let mut part = [0; 100];
                pattern.fill(start as u64, &mut part[start..end]);
                assert_eq!(part[start..end], whole[start..end]);
            }
        }
    }

    #[test]
    fn connections_differ() {
        let (mut one, mut other) = ([0; 64], [0; 64]);
        Pattern::new(3, 5).fill(0, &mut one);
        Pattern::new(3, 6).fill(0, &mut other);
        assert_ne!(one[..8], other[..8]);
    }

    #[test]
    fn sizes_reach_both_ends() {
        let mut random = Random::new(1, 1);
        let sizes: Vec<_> = (0..10_000).map(|_| random.size(1000)).collect();
        assert!(sizes.contains(&1) && sizes.iter().all(|&size| (1..=1000).contains(&size)));
        assert!(sizes.iter().any(|&size| size > 900));
        assert_eq!(random.size(1), 1);
    }
}
