//! What a decoder tells of a record, held to what every decoder promises.

use callpulse::decode::format::{Decoder, Given};
use callpulse::decode::json;
use callpulse::event::{Decoded, Reject, What};

/// What a record came to.
pub struct Told {
    /// Its events, as lines of native JSON.
    pub events: Vec<String>,
    /// What was left aside, by its names.
    pub aside: Vec<String>,
    pub refused: Option<Reject>,
}

pub fn told<'r>(decoder: &Decoder, record: impl Into<Given<'r>>) -> Told {
    let (mut events, mut aside) = (Vec::new(), Vec::new());
    let outcome = decoder.decode(record.into(), &mut |decoded| match decoded {
        Decoded::Event(mut event) => {
            if matches!(event.what, What::SourceRestarted) {
                // A native event has to name what only the place of a vendor's record says.
                event.source.get_or_insert("sample".into());
            }
            events.push(json::encode(&event));
        }
        Decoded::Unknown { kind } => aside.push(kind.into_owned()),
    });
    Told { events, aside, refused: outcome.err() }
}

impl Told {
    /// Every record is accounted for; what is accepted can be written and read again, what is refused says why in
    /// one line and tells nothing.
    #[track_caller]
    pub fn is_sound(&self) {
        for line in &self.events {
            match json::decode(line.as_bytes()) {
                Ok(Decoded::Event(event)) => assert_eq!(*line, json::encode(&event)),
                other => panic!("{line}: {other:?}"),
            }
            assert!(line.len() < 40_000, "an event of {} bytes", line.len());
        }
        assert!(self.aside.iter().all(|kind| !kind.is_empty()));
        let is_told = !self.events.is_empty() || !self.aside.is_empty();
        assert!(is_told == self.refused.is_none(), "{:?} {:?} {:?}", self.events, self.aside, self.refused);
        if let Some(Reject { sentence, .. }) = &self.refused {
            assert!(!sentence.is_empty() && sentence.len() < 500, "{sentence}");
            assert!(!sentence.contains(char::is_control), "{sentence:?}");
        }
    }
}
