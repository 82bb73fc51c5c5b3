//! Amazon Connect: its contact events, its agent event stream and its contact records.
//!
//! Sources: the Amazon Connect Administrator Guide, pages "Amazon Connect contact events", "Agent event streams data
//! model", "Determine how long agents spend doing ACW", "About contact states" and "Data model for Amazon Connect
//! contact records". What each record means is written down in docs/formats.md.

mod wire;

mod walk;

mod contact;

pub mod agent_event;

pub mod contact_event;

pub mod contact_record;
