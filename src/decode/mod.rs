//! Decoding: the bytes of a record become an event, an unknown type, or a reject.
//!
//! A native format fills `slots`, a vendor's makes drafts of events, and nothing else; `assemble` makes the event of
//! them, so that every rule of the contract's section 1 stands once. [`table`] says which type has which fields;
//! `present` is the way back.

pub mod table;

mod slots;

mod assemble;

mod present;

pub mod json;

pub mod protobuf;

pub mod format;

pub mod places;

mod draft;

mod row;

mod headers;

mod document;

mod scan;

mod form;

pub mod mapping;

mod csv;

mod cloudevents;

mod queue_log;

mod asterisk_ami;

mod freeswitch;

mod amazon_connect;

mod genesys;

mod taskrouter;

pub mod schema;
