//! The stages give what replay gives: whatever the writers, the interleaving, the commits and the
//! restarts.

use crate::cases;
use crate::histories::{MINUTES_MS, Reach, Told, history};
use crate::published::{Published, Truth, Versions};
use crate::world::{World, end_of, kpis_worker, later, world};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

proptest! {
    #![proptest_config(cases(1000))]

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
