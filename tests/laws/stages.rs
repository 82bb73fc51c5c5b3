//! The stages give what replay gives: whatever the writers, the interleaving, the commits and the
//! restarts.

use crate::cases;
use crate::histories::{MINUTES_MS, Reach, Told, history};
use crate::published::{Published, Truth, Versions};
use crate::world::{Act, World, end_of, kpis_worker, later, world};
use callpulse::time::EventTime;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

proptest! {
    #![proptest_config(cases(600))]

    #[test]
    fn the_stages_end_where_replay_ends(told in history(Reach::Minutes), world in world(false)) {
        let end = end_of(&told, MINUTES_MS + 120_000);
        let (published, mut truth) = (run(&told, &world, end)?, Truth::new(world.settings(), &told, end));
        truth.is_archived(&published)?;
        truth.is_on_board(&published)?;
    }

    #[test]
    fn restored_at_any_cut_they_end_where_replay_ends(told in history(Reach::Minutes), world in world(true)) {
        let end = end_of(&told, MINUTES_MS + 120_000);
        let (published, mut truth) = (run(&told, &world, end)?, Truth::new(world.settings(), &told, end));
        truth.is_archived(&published)?;
        truth.is_on_board(&published)?;
    }

    #[test]
    fn what_is_lost_and_found_and_used_again_ends_in_the_same_intervals(
        told in history(Reach::Days),
        world in world(true),
        later in later(),
    ) {
        let end = end_of(&told, later);
        let published = run(&told, &world, end)?;
        Truth::new(world.settings(), &told, end).is_archived(&published)?;
    }
}

fn run(told: &[Told], world: &World, end: i64) -> Result<Published, TestCaseError> {
    let partials = world.partials(told, end)?;
    let mut worker = kpis_worker(world.settings(), &partials, end);
    let (mut published, mut versions) = (Published::default(), Versions::default());
    for act in &world.counting {
        published.take(worker.act(act), &mut versions)?;
    }
    // Until nothing is held back any more, and a while further: what was published last stays.
    published.take(worker.finish(end, 3), &mut versions)?;
    Ok(published)
}

/// Found with a bank's January: while the end of a call is on its way, the agent seems to handle it for days, over
/// other calls and into what happened meanwhile.
#[test]
fn what_lasted_for_days_by_error_is_archived_where_it_turns_out_to_be_true() {
    const HOUR: i64 = 3_600_000;
    let begin = EventTime::parse("2026-03-02T08:00:00Z").expect("a time").0;
    let call = |id: &str, agent: &str, from: i64, length: i64| {
        let told = |time: i64, rest: &str| {
            let line = format!(r#"{{"time":{time},"call_id":"{id}",{rest}}}"#);
            Told { time, delay: 0, is_repeated: false, tenant: "default", call: id.to_string(), line }
        };
        let answered = format!(r#""type":"call.answered","queue":"sales","agent":"{agent}""#);
        let queued = told(from, r#""type":"call.queued","queue":"sales""#);
        [queued, told(from + 1_000, &answered), told(from + length, r#""type":"call.ended","by":"caller""#)]
    };
    // The name says the partition: c0 is in the last of three, those of three letters are in the first, c2 and c5 in the second.
    let mut told: Vec<Told> = call("c0", "bo", begin + 144 * HOUR, 60_000).into();
    told.extend((0..10).flat_map(|turn| call(&format!("c0{turn}"), "ana", begin + (turn + 1) * 10 * HOUR, 60_000)));
    told.extend(call("c2", "ana", begin, 60_000));
    // Over one interval, and nothing else in it.
    told.extend(call("c5", "ana", begin + 75 * HOUR - 300_000, 1_500_000));
    told.sort();
    let read = |input, records| Act::Read { input, records };
    let idle = |input| Act::Idle { input };
    // Time goes on with the last partition; then the first is read, and of the second no more than an answer.
    let writing = vec![read(2, 100), idle(0), idle(1), Act::Commit, read(0, 100), read(1, 2), Act::Commit];
    let agents = [read(0, 1), read(1, 1), Act::Commit].repeat(4);
    let world = World {
        settings: 0,
        sources: 3,
        writers: 1,
        writing: vec![writing],
        agents: vec![agents],
        order: Vec::new(),
        counting: Vec::new(),
    };
    let end = end_of(&told, 145 * HOUR);
    let published = run(&told, &world, end).expect("records that do not contradict each other");
    Truth::new(world.settings(), &told, end).is_archived(&published).expect("the archive of a replay");
}
