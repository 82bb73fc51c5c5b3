//! The commands: what each does between its arguments and its exit code.

pub mod failure;

pub mod arguments;

pub mod progress;

pub mod replay;

pub mod check;
