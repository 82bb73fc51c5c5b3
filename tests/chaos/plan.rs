//! A plan of faults, which follows from its seed.

use std::time::Duration;

/// One thing that happens.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// kill -9, and a new start.
    Kill(usize),
    /// kill -9 again so many milliseconds after the start: while it joins, restores or begins to commit.
    KillTwice(usize, u64),
    /// The third instance comes, and so many milliseconds later, in the rebalance, another is killed.
    KillInRebalance(usize, u64),
    /// SIGTERM, and a new start.
    Terminate(usize),
    /// SIGSTOP for so many seconds, then SIGCONT: it goes on as if nothing had been.
    Freeze(usize, u64),
    /// The third instance comes, and goes after so many milliseconds.
    JoinAndLeave(u64),
    /// kill -9 of the broker, which is away for so many milliseconds.
    KillBroker(u64),
    /// The network falls silent for so many seconds.
    Silence(u64),
    /// The network needs so many milliseconds more for each piece, for three seconds.
    Slowness(u64),
    /// Every connection is cut in the middle of a message.
    Cut,
    /// The clock of an instance jumps so many seconds, and back after three.
    Clock(usize, i64),
    /// Events of the last minutes come again, the other way round.
    TellAgain,
    /// A record that is no event comes, to every partition.
    Poison,
}

impl Fault {
    /// The sort of fault, for counting.
    pub fn name(self) -> &'static str {
        match self {
            Fault::Kill(_) | Fault::KillTwice(..) | Fault::KillInRebalance(..) => "kill -9 of an instance",
            Fault::Terminate(_) => "SIGTERM of an instance",
            Fault::Freeze(..) => "SIGSTOP and SIGCONT",
            Fault::JoinAndLeave(_) => "third instance joins and leaves",
            Fault::KillBroker(_) => "kill -9 of the broker",
            Fault::Silence(_) => "network silent",
            Fault::Slowness(_) => "network slow",
            Fault::Cut => "connections cut",
            Fault::Clock(..) => "clock jumps",
            Fault::TellAgain => "events told again",
            Fault::Poison => "records that are no events",
        }
    }

    /// How many kills of an instance it is.
    pub fn kills(self) -> u64 {
        match self {
            Fault::Kill(_) | Fault::KillInRebalance(..) => 1,
            Fault::KillTwice(..) => 2,
            _ => 0,
        }
    }

    /// How many times members of the groups come or go.
    pub fn rebalances(self) -> u64 {
        match self {
            Fault::JoinAndLeave(_) | Fault::Terminate(_) => 2,
            Fault::KillInRebalance(..) => 3,
            _ => 2 * self.kills(),
        }
    }
}

/// Numbers from a seed: splitmix64.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// What happens, and how long after what happened before. Now and then there is a calm.
pub fn plan(seed: u64, faults: u64) -> Vec<(Duration, Fault)> {
    let mut chance = Chance(seed);
    let mut fault = || {
        let instance = chance.below(2) as usize;
        let fault = match chance.below(100) {
            0..34 => Fault::Kill(instance),
            34..40 => Fault::KillTwice(instance, chance.below(1_500)),
            40..45 => Fault::KillInRebalance(instance, chance.below(600)),
            45..52 => Fault::Terminate(instance),
            52..58 => Fault::Freeze(instance, 2 + chance.below(14)),
            58..68 => Fault::JoinAndLeave(500 + chance.below(4_000)),
            68..82 => Fault::KillBroker(chance.below(3_000)),
            82..86 => Fault::Silence(if chance.below(5) == 0 { 60 } else { 1 + chance.below(15) }),
            86..88 => Fault::Slowness(10 + chance.below(100)),
            88..91 => Fault::Cut,
            91..94 => Fault::Clock(instance, chance.below(120) as i64 - 60),
            94..98 => Fault::TellAgain,
            _ => Fault::Poison,
        };
        let calm = if chance.below(12) == 0 { 6_000 } else { 0 };
        (Duration::from_millis(100 + chance.below(2_500) + calm), fault)
    };
    (0..faults).map(|_| fault()).collect()
}
