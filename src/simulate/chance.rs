//! Chance: a seeded generator and the distributions drawn from it, in integers only.
//!
//! The floating-point `ln` and `exp` differ between machines in their last bits; what is drawn here
//! does not. The generator is xoshiro256**, seeded by splitmix64 (David Blackman and Sebastiano Vigna,
//! prng.di.unimi.it, public domain).

/// A source of random numbers.
#[derive(Clone, Debug)]
pub(super) struct Chance {
    state: [u64; 4],
}

/// One, as a fixed-point number with 32 bits after the point.
const ONE: u64 = 1 << 32;

/// 2 to the power of 1/2, 1/4, 1/8, ..., with 32 bits after the point.
const ROOTS: [u64; 16] = roots();

impl Chance {
    pub(super) fn new(seed: u64) -> Chance {
        let mut at = seed;
        let mut splitmix = || {
            at = at.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = at;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^ (mixed >> 31)
        };
        Chance { state: [splitmix(), splitmix(), splitmix(), splitmix()] }
    }

    pub(super) fn bits(&mut self) -> u64 {
        let state = &mut self.state;
        let result = state[1].wrapping_mul(5).rotate_left(7).wrapping_mul(9);
        let shifted = state[1] << 17;
        state[2] ^= state[0];
        state[3] ^= state[1];
        state[1] ^= state[2];
        state[0] ^= state[3];
        state[2] ^= shifted;
        state[3] = state[3].rotate_left(45);
        result
    }

    /// Uniform in `[0, bound)`; 0 for a bound of 0.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(bound)) >> 64) as u64
    }

    /// Uniform in `[low, high]`.
    pub(super) fn between(&mut self, low: i64, high: i64) -> i64 {
        low + self.below((high - low + 1) as u64) as i64
    }

    /// True so often in a thousand.
    pub(super) fn happens(&mut self, per_mille: u64) -> bool {
        self.below(1000) < per_mille
    }

    /// One of the choices, of which there is at least one.
    pub(super) fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len() as u64) as usize]
    }

    /// Exponential with mean 1, with 32 bits after the point: von Neumann's comparison of uniforms
    /// (1951). The length of a falling run that begins with x is odd with probability exp(-x).
    pub(super) fn unit_exponential(&mut self) -> u64 {
        let mut whole = 0;
        loop {
            let first = self.bits() >> 32;
            let (mut last, mut is_odd) = (first, true);
            loop {
                let next = self.bits() >> 32;
                if last <= next {
                    break;
                }
                last = next;
                is_odd = !is_odd;
            }
            if is_odd {
                return whole + first;
            }
            whole += ONE;
        }
    }

    /// Exponential with this mean.
    pub(super) fn exponential(&mut self, mean: i64) -> i64 {
        ((self.unit_exponential() as u128 * mean as u128) >> 32) as i64
    }

    /// Lognormal with this median; `sigma` is in thousandths. The normal below it is a sum of twelve
    /// uniforms, so no value lies more than six sigma out.
    pub(super) fn lognormal(&mut self, median: i64, sigma: i64) -> i64 {
        const LOG2_E: i64 = 94_548; // with 16 bits after the point
        let mut normal = -6 * 65_536;
        for _ in 0..3 {
            let bits = self.bits();
            normal += [bits & 0xffff, bits >> 16 & 0xffff, bits >> 32 & 0xffff, bits >> 48].iter().sum::<u64>() as i64;
        }
        scale_by_power(median, ((normal * sigma / 1000) * LOG2_E) >> 16)
    }
}

/// `value` times 2 to the power of `exponent`, which has 16 bits after the point.
fn scale_by_power(value: i64, exponent: i64) -> i64 {
    let (whole, part) = (exponent >> 16, exponent & 0xffff);
    let mut factor = ONE;
    for (place, root) in ROOTS.iter().enumerate() {
        if part >> (15 - place) & 1 == 1 {
            factor = ((u128::from(factor) * u128::from(*root)) >> 32) as u64;
        }
    }
    let scaled = value as i128 * i128::from(factor);
    (if whole <= 32 { scaled >> (32 - whole).min(127) } else { i128::from(i64::MAX) }) as i64
}

const fn roots() -> [u64; 16] {
    let mut roots = [0; 16];
    let mut last = 2 * ONE as u128;
    let mut place = 0;
    while place < roots.len() {
        last = (last << 32).isqrt();
        roots[place] = last as u64;
        place += 1;
    }
    roots
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAWS: i64 = 200_000;

    #[test]
    fn gives_the_numbers_of_the_published_generators() {
        // splitmix64 of seed 1234567, as in its reference code; xoshiro256** from the state 1, 2, 3, 4.
        assert_eq!(Chance::new(1_234_567).state[..2], [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]);
        let mut chance = Chance { state: [1, 2, 3, 4] };
        assert_eq!([chance.bits(), chance.bits(), chance.bits()], [11_520, 0, 1_509_978_240]);
    }

    #[test]
    fn an_exponential_has_its_mean_and_its_tail() {
        let mut chance = Chance::new(1);
        let draws: Vec<i64> = (0..DRAWS).map(|_| chance.exponential(100_000)).collect();
        let mean = draws.iter().sum::<i64>() / DRAWS;
        assert!((99_000..=101_000).contains(&mean), "{mean}");
        // exp(-1) and exp(-3) of them last longer than one mean and three.
        let longer = |than: i64| draws.iter().filter(|draw| than < **draw).count() as i64 * 10_000 / DRAWS;
        assert!((3_620..=3_740).contains(&longer(100_000)), "{}", longer(100_000));
        assert!((460..=540).contains(&longer(300_000)), "{}", longer(300_000));
    }

    #[test]
    fn a_lognormal_has_its_median_and_its_spread() {
        let mut chance = Chance::new(2);
        let mut draws: Vec<i64> = (0..DRAWS).map(|_| chance.lognormal(200_000, 700)).collect();
        draws.sort_unstable();
        let share = |of: i64| draws[(DRAWS * of / 10_000) as usize];
        assert!((197_000..=203_000).contains(&share(5_000)), "{}", share(5_000));
        // One sigma up: 200 s x exp(0.7) = 402.8 s.
        assert!((395_000..=411_000).contains(&share(8_413)), "{}", share(8_413));
    }

    #[test]
    fn a_power_of_two_is_exact_at_whole_exponents() {
        assert_eq!(scale_by_power(1000, 0), 1000);
        assert_eq!(scale_by_power(1000, 3 << 16), 8000);
        assert_eq!(scale_by_power(1000, -(1 << 16)), 500);
        assert_eq!(scale_by_power(1_000_000, 1 << 15), 1_414_213);
    }

    #[test]
    fn a_uniform_reaches_both_ends_and_nothing_beyond() {
        let mut chance = Chance::new(3);
        let draws: Vec<i64> = (0..1000).map(|_| chance.between(-2, 2)).collect();
        assert_eq!(draws.iter().min(), Some(&-2));
        assert_eq!(draws.iter().max(), Some(&2));
    }
}
