//! Erlang A: what becomes of calls that arrive by chance at a queue with so many agents, where callers give up.
//!
//! ```text
//! M/M/n+M   arrivals at chance, handle times and patience exponential, n agents, first come first served
//!
//! V = the wait that a caller of endless patience would have; none if an agent is free
//! density of V at x > 0      f(x) = p(n-1) λ exp( λ (1 - exp(-θx)) / θ  -  nμx )
//! ```
//!
//! λ arrivals, μ calls an agent handles, θ callers who give up, each for a second. Without giving up (θ = 0) it is
//! Erlang C. Source: Mandelbaum and Zeltyn, "The Palm/Erlang-A Queue, with Applications to Call Centers" (2005), and
//! "Call centers with impatient customers" (2005) for the density.

/// A queue that everything arrives at by chance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Queue {
    /// Calls that arrive in a second, 0 or more.
    pub arrivals: f64,
    /// Seconds, more than 0.
    pub handle_time: f64,
    /// Seconds a caller waits on average before giving up, more than 0; none if nobody does.
    pub patience: Option<f64>,
    pub agents: u32,
}

/// What becomes of the calls that arrive, each as a share of them, in the long run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outlook {
    /// Find no agent free.
    pub waits: f64,
    /// Are answered within the threshold.
    pub answered_in_time: f64,
    /// Give up within the threshold.
    pub abandoned_in_time: f64,
    /// Give up at some time.
    pub abandoned: f64,
}

/// In how many pieces an integral is begun, how often each is halved at most, and how exact each is to be.
const PIECES: u32 = 32;
const HALVED_MAX: u32 = 12;
const PRECISION: f64 = 1e-5;
/// What is smaller than this power of e beside the largest adds nothing.
const NEGLIGIBLE: f64 = 40.0;

impl Queue {
    /// What becomes of calls, with a threshold in seconds. Where more comes than can ever be handled and nobody gives
    /// up, everybody waits and nobody is answered in time.
    pub fn outlook(&self, threshold: f64) -> Outlook {
        let nobody_waits = Outlook { waits: 0.0, answered_in_time: 1.0, abandoned_in_time: 0.0, abandoned: 0.0 };
        if self.arrivals == 0.0 && 0 < self.agents {
            return nobody_waits;
        }
        let gives_up = self.patience.map_or(0.0, |patience| 1.0 / patience);
        let given_up_by = |wait: f64| -(-gives_up * wait).exp_m1();
        if self.agents == 0 {
            return Outlook {
                waits: 1.0,
                answered_in_time: 0.0,
                abandoned_in_time: given_up_by(threshold),
                abandoned: if self.patience.is_some() { 1.0 } else { 0.0 },
            };
        }
        let served = f64::from(self.agents) / self.handle_time;
        if gives_up == 0.0 && served <= self.arrivals {
            return Outlook { waits: 1.0, answered_in_time: 0.0, abandoned_in_time: 0.0, abandoned: 0.0 };
        }
        // The exponent of the density, less the largest that it has, so that nothing overflows.
        let exponent = |wait: f64| {
            let arrived =
                if gives_up == 0.0 { self.arrivals * wait } else { self.arrivals * given_up_by(wait) / gives_up };
            arrived - served * wait
        };
        let peak = if served < self.arrivals { (self.arrivals / served).ln() / gives_up } else { 0.0 };
        let top = exponent(peak);
        let density = |wait: f64| (exponent(wait) - top).exp();
        let mut end = peak + self.handle_time / f64::from(self.agents);
        while -NEGLIGIBLE < exponent(end) - top {
            end += end - peak;
        }
        let in_time = threshold.min(end);
        let (early, late) = (integral(density, 0.0, in_time), integral(density, in_time, end));
        let gone = |wait: f64| density(wait) * given_up_by(wait);
        let (gone_early, gone_late) = (integral(gone, 0.0, in_time), integral(gone, in_time, end));
        // Weights beside each other: somebody is free, and everybody is busy.
        let (free, busy) = (self.free_weight() * (-top).exp(), self.arrivals * (early + late));
        let share = |of: f64| self.arrivals * of / (free + busy);
        // Of many more agents than are needed the weight is infinite.
        let is_free = 1.0 / (1.0 + busy / free);
        Outlook {
            waits: share(early + late),
            answered_in_time: is_free + share(early - gone_early),
            abandoned_in_time: share(gone_early + late * given_up_by(threshold)),
            abandoned: share(gone_early + gone_late),
        }
    }

    /// How likely it is that an agent is free, beside that all but one are busy as 1: the inverse of Erlang B of one
    /// agent less.
    fn free_weight(&self) -> f64 {
        let load = self.arrivals * self.handle_time;
        (1..self.agents).fold(1.0, |weight, agents| 1.0 + weight * f64::from(agents) / load)
    }
}

/// By Simpson's rule, in pieces that are halved until that changes nothing.
fn integral(of: impl Fn(f64) -> f64, from: f64, to: f64) -> f64 {
    let edge = |piece: u32| from + (to - from) * f64::from(piece) / f64::from(PIECES);
    (0..PIECES).map(|piece| Piece::new(&of, edge(piece), edge(piece + 1)).integral(&of, HALVED_MAX)).sum()
}

/// A stretch, and a function at its ends and its middle.
struct Piece {
    from: f64,
    to: f64,
    at: [f64; 3],
}

impl Piece {
    fn new(of: &impl Fn(f64) -> f64, from: f64, to: f64) -> Piece {
        Piece { from, to, at: [of(from), of((from + to) / 2.0), of(to)] }
    }

    fn integral(&self, of: &impl Fn(f64) -> f64, halved_max: u32) -> f64 {
        let middle = (self.from + self.to) / 2.0;
        let halves = [Piece::new(of, self.from, middle), Piece::new(of, middle, self.to)];
        let [whole, fine] = [self.sum(), halves.iter().map(Piece::sum).sum::<f64>()];
        let is_fine = (fine - whole).abs() <= PRECISION * (fine + PRECISION * (self.to - self.from));
        match is_fine || halved_max == 0 {
            true => fine,
            false => halves.iter().map(|half| half.integral(of, halved_max - 1)).sum(),
        }
    }

    fn sum(&self) -> f64 {
        let [first, middle, last] = self.at;
        (self.to - self.from) / 6.0 * (first + 4.0 * middle + last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(arrivals_per_hour: f64, handle_time: f64, patience: Option<f64>, agents: u32) -> Queue {
        Queue { arrivals: arrivals_per_hour / 3_600.0, handle_time, patience, agents }
    }

    #[track_caller]
    fn check(found: f64, expected: f64, within: f64) {
        assert!((found - expected).abs() <= within, "{found} is not {expected}");
    }

    /// 100 calls in half an hour of three minutes each, a third of a minute: published with pyworkforce, to three digits.
    #[test]
    fn erlang_c_and_a_come_to_published_values() {
        let c14 = queue(200.0, 180.0, None, 14).outlook(19.8);
        check(c14.waits, 0.174, 0.0005);
        check(c14.answered_in_time, 0.888, 0.0005);
        let c15 = queue(200.0, 180.0, None, 15).outlook(19.8);
        check(c15.waits, 0.102, 0.0005);
        check(c15.answered_in_time, 0.941, 0.0005);
        let a = queue(200.0, 180.0, Some(300.0), 14).outlook(20.0);
        check(a.waits, 0.145_26, 0.000_01);
        check(a.answered_in_time, 0.916_792, 0.000_001);
        check(a.abandoned, 0.013_984, 0.000_001);
    }

    /// The sum over how many calls are there, as the textbooks have it, beside the integral.
    #[test]
    fn it_is_what_the_chain_of_states_comes_to() {
        for (calls, handle, patience, agents) in
            [(200.0, 180.0, 300.0, 14), (900.0, 200.0, 60.0, 40), (30.0, 300.0, 20.0, 1)]
        {
            let of = queue(calls, handle, Some(patience), agents);
            let load = of.arrivals * handle;
            let (mut weight, mut sum, mut busy, mut gone) = (1.0, 0.0, 0.0, 0.0);
            for there in 0..2_000 {
                let waiting = f64::from(there - agents as i32).max(0.0);
                sum += weight;
                busy += if agents as i32 <= there { weight } else { 0.0 };
                gone += weight * waiting / patience;
                let leaves = f64::from((there + 1).min(agents as i32))
                    + (waiting + f64::from(u8::from(agents as i32 <= there))) * handle / patience;
                weight *= load / leaves;
            }
            let outlook = of.outlook(1e6);
            check(outlook.waits, busy / sum, 1e-6);
            check(outlook.abandoned, gone / sum / of.arrivals, 1e-6);
            // Sooner or later everybody is answered or gone.
            check(outlook.answered_in_time + outlook.abandoned, 1.0, 1e-6);
            check(outlook.abandoned_in_time, outlook.abandoned, 1e-6);
        }
    }

    #[test]
    fn what_cannot_be_handled_waits_for_ever_or_gives_up() {
        let forever = Outlook { waits: 1.0, answered_in_time: 0.0, abandoned_in_time: 0.0, abandoned: 0.0 };
        assert_eq!(queue(100.0, 180.0, None, 5).outlook(20.0), forever);
        assert_eq!(queue(100.0, 180.0, None, 0).outlook(20.0), forever);
        let outlook = queue(100.0, 180.0, Some(60.0), 0).outlook(60.0);
        assert_eq!((outlook.waits, outlook.answered_in_time, outlook.abandoned), (1.0, 0.0, 1.0));
        check(outlook.abandoned_in_time, 1.0 - (-1.0_f64).exp(), 1e-12);
        let outlook = queue(0.0, 180.0, Some(60.0), 3).outlook(20.0);
        assert_eq!((outlook.waits, outlook.answered_in_time), (0.0, 1.0));
    }
}
