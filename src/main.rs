//! The program: arguments in, exit code out. What the commands do is in `command`.

use callpulse::command::arguments::{Arguments, Command};
use callpulse::command::{alerts, check, decode, demo, replay, run, ship, simulate, topics};
use clap::Parser;
use std::io::{Write, stderr};
use std::process::ExitCode;

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Run(asked) => run::run(&asked),
        Command::Demo(asked) => demo::run(&asked),
        Command::Alerts { asked } => alerts::run(&asked),
        Command::Topics(asked) => topics::run(&asked),
        Command::Replay(asked) => replay::run(&asked),
        Command::Decode(asked) => decode::run(&asked),
        Command::Ship(asked) => ship::run(&asked),
        Command::Simulate(asked) => simulate::run(&asked),
        Command::CheckConfig(asked) => check::check_config(&asked),
        Command::Schema { of } => check::schema(of),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Nobody has to be listening.
            let _ = writeln!(stderr(), "callpulse: {failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}
