//! `callpulse decode`: events from files to standard output, each a line of native JSON that says which file it is of.
//!
//! The lines say all that `replay` would use: replayed themselves, they come to the same records as the files.

use super::arguments::Decode as Asked;
use super::failure::Failure;
use super::intake::Intake;
use super::surroundings::environment;
use super::tell::tell;
use crate::config;
use crate::decode::json;
use crate::event::Event;
use crate::replay::engine::Taken;
use std::borrow::Cow;
use std::io::{self, BufWriter, Write};

pub fn run(asked: &Asked) -> Result<(), Failure> {
    let loaded = config::load(asked.config.config.as_deref(), environment())?;
    for warning in &loaded.warnings {
        tell!("warning: {warning}");
    }
    let mut intake = Intake::new(&asked.format, &loaded.settings, asked.rejects.as_deref())?;
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    let mut written = Ok(());
    intake.read(&asked.files, |event, source| {
        if written.is_ok() {
            written = write(event, source, &mut out);
        }
        Taken::Accepted
    })?;
    intake.close_rejects()?;
    match written.and_then(|()| out.flush()) {
        Ok(()) => {}
        // Whoever reads has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
        Err(error) => return Err(Failure::AtWork(format!("cannot write the events: {error}; is the disk full?"))),
    }
    intake.print_summary();
    Ok(())
}

fn write(event: &Event<'_>, source: &str, out: &mut impl Write) -> io::Result<()> {
    let line = match event.source {
        Some(_) => json::encode(event),
        None => json::encode(&Event { source: Some(Cow::Borrowed(source)), ..event.clone() }),
    };
    out.write_all(line.as_bytes())?;
    out.write_all(b"\n")
}
