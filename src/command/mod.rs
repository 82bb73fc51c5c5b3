//! The commands: what each does between its arguments and its exit code.

mod tell;

pub mod failure;

pub mod arguments;

pub mod surroundings;

pub mod progress;

mod aside;

pub mod intake;

pub mod replay;

pub mod alerts;

mod send_test;

pub mod decode;

pub mod engine;

mod reject_file;

pub mod ship;

pub mod check;

pub mod topics;

pub mod run;

pub mod simulate;

pub mod watch;

pub mod demo;
