//! Batches: facts of one commit, added up per entity and second, on their way between the stages.
//!
//! ```text
//! booked: notes, one after the other -> sorted and added up once -> written as rows, names by number
//! read:   header | names, each the bytes a board knows an entity by | rows, read where they lie
//! ```

use super::oddities::Oddities;
use super::stage::{OutRecord, Output};
use crate::entity::{Entity, Kind};
use crate::event::Channel;
use crate::fact::{Facts, Family, Key, Reason};
use crate::life::routes::{Account, EntityId, Ledger, Routes};
use crate::time::EventTime;
use prost::Message;
use prost::encoding::{decode_varint, encode_varint, encoded_len_varint};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub mod wire {
    //! The messages as they are on the wire.
    include!(concat!(env!("OUT_DIR"), "/callpulse.v1.rs"));
}

/// What fills a record, in bytes: a broker takes a megabyte unless told otherwise, and a header stands beside it.
pub const BATCH_BYTES: usize = 700_000;

/// Facts by entity, family and instant. Adding is commutative; what cancels leaves nothing behind.
#[derive(Default)]
pub struct Rows {
    notes: Vec<Note>,
    facts: Vec<(Key, i64)>,
    /// The texts of the reasons among them.
    reasons: BTreeSet<Box<str>>,
    pub(super) oddities: Oddities,
}

/// Some facts as they were booked.
struct Note {
    place: Place,
    /// Where its facts lie.
    from: u32,
    to: u32,
}

/// Where facts are booked: the order of rows.
type Place = (EntityId, Family, i64);

/// Texts of reasons by their numbers; more than one where two have the same.
type Texts = BTreeMap<Reason, Vec<Box<str>>>;

/// The key under which calls that wait are counted in a row.
fn waiting_key() -> Key {
    Key::measure(crate::fact::Measure::Offered)
}

impl Rows {
    /// How many bookings there are; what cancels counts too.
    pub fn len(&self) -> usize {
        self.notes.len()
    }

    pub fn is_empty(&self) -> bool {
        self.notes.is_empty()
    }

    fn note(&mut self, place: Place, facts: impl IntoIterator<Item = (Key, i64)>) {
        let from = self.facts.len() as u32;
        self.facts.extend(facts);
        self.notes.push(Note { place, from, to: self.facts.len() as u32 });
    }

    /// Adds rows that were booked before, each `sign` times.
    pub fn add_wire(&mut self, routes: &mut Routes, entities: &[wire::EntityName], rows: &[wire::Row], sign: i64) {
        let ids: Vec<Option<EntityId>> =
            entities.iter().map(|name| entity(name).map(|entity| routes.id(entity))).collect();
        for row in rows {
            let (Some(Some(id)), Some(family)) = (ids.get(row.entity as usize), family(row.family)) else { continue };
            self.note((*id, family, row.at), facts_of(row).map(|(key, amount)| (key, amount * sign)));
        }
    }

    /// The texts of the reasons that were booked, by their numbers; none are left.
    fn take_reasons(&mut self) -> Texts {
        let mut texts = Texts::new();
        for text in std::mem::take(&mut self.reasons) {
            texts.entry(Reason::of(&text)).or_default().push(text);
        }
        texts
    }

    /// Empties the sums in the order of entities, each telling its place and what it holds.
    pub fn drain(&mut self, mut tell: impl FnMut(Place, &Facts)) {
        self.notes.sort_unstable_by_key(|note| (note.place, note.from));
        let mut sum = Facts::default();
        for same in self.notes.chunk_by(|a, b| a.place == b.place) {
            sum.clear();
            for note in same {
                sum.add_all(&self.facts[note.from as usize..note.to as usize], 1);
            }
            if !sum.is_empty() {
                tell(same[0].place, &sum);
            }
        }
        self.notes.clear();
        self.facts.clear();
    }
}

impl Ledger for Rows {
    fn facts(&mut self, to: Account<'_>, family: Family, at: i64, facts: &[(Key, i64)]) {
        self.note((to.id, family, at), facts.iter().copied());
    }

    fn waiting(&mut self, to: Account<'_>, since: EventTime, amount: i64) {
        self.note((to.id, Family::Waiting, since.0), [(waiting_key(), amount)]);
    }

    fn reason(&mut self, text: &str) {
        if !self.reasons.contains(text) {
            self.reasons.insert(text.into());
        }
    }
}

/// What is worked out once of each entity of some [`Routes`].
#[derive(Default)]
pub struct Names {
    /// By number.
    known: Vec<Name>,
}

struct Name {
    /// Its [`wire::EntityName`], without a length.
    bytes: Box<[u8]>,
    hash: u64,
}

impl Names {
    fn name(&mut self, routes: &Routes, id: EntityId) -> &Name {
        for known in self.known.len()..=id.0 as usize {
            let entity = routes.entity(EntityId(known as u32));
            let bytes = name(entity).encode_to_vec().into_boxed_slice();
            self.known.push(Name { bytes, hash: hash_of(entity) });
        }
        &self.known[id.0 as usize]
    }
}

/// Names and rows of one message, and the texts of the reasons in them, in the bytes they have within it.
#[derive(Default)]
pub struct Part {
    entities: Vec<u8>,
    rows: Vec<u8>,
    reasons: Vec<u8>,
    /// Reasons whose texts stand there.
    told: BTreeSet<Reason>,
    /// How many names there are, and whose the last is.
    count: u32,
    last: Option<EntityId>,
    content: Vec<u8>,
}

/// The fields of a message that are names and rows.
#[derive(Clone, Copy)]
pub struct Fields {
    entities: u32,
    rows: u32,
}

impl Fields {
    pub const BATCH: Fields = Fields { entities: 4, rows: 5 };
    pub const CALL_STATE: Fields = Fields { entities: 5, rows: 6 };
}

impl Part {
    /// How many bytes it adds to a message.
    pub fn size(&self) -> usize {
        self.entities.len() + self.rows.len() + self.reasons.len()
    }

    /// Adds the texts of reasons among facts, each once.
    fn tell(&mut self, texts: &Texts, facts: &[(Key, i64)]) {
        for reason in facts.iter().filter_map(|(key, _)| key.reason()) {
            if self.told.insert(reason) {
                let texts = texts.get(&reason).into_iter().flatten();
                texts.for_each(|text| write_bytes(REASONS_FIELD, text.as_bytes(), &mut self.reasons));
            }
        }
    }

    fn add(&mut self, fields: Fields, id: EntityId, name: &Name, (family, at): (Family, i64), facts: &[(Key, i64)]) {
        if self.last != Some(id) {
            self.last = Some(id);
            self.count += 1;
            write_bytes(fields.entities, &name.bytes, &mut self.entities);
        }
        self.content.clear();
        write_row(self.count - 1, family, at, facts, &mut self.content);
        write_bytes(fields.rows, &self.content, &mut self.rows);
    }

    /// Appends what it holds to a message, and is empty.
    pub fn finish(&mut self, message: &mut Vec<u8>) {
        message.extend_from_slice(&self.entities);
        message.extend_from_slice(&self.rows);
        message.extend_from_slice(&self.reasons);
        self.entities.clear();
        self.rows.clear();
        self.reasons.clear();
        self.told.clear();
        (self.count, self.last) = (0, None);
    }
}

/// A header and what is to stand with it, as the records of one partition: the marks stand in the last, so
/// that no reader is told of more than it has; what was lost and what agents say in the first, so that nothing
/// after it is read without them.
pub fn write_records(header: &wire::Batch, parts: Vec<Part>, topic: &Arc<str>, partition: i32) -> Vec<OutRecord> {
    let count = parts.len().max(1);
    let all = parts.into_iter().chain([Part::default()]).take(count).enumerate();
    let write = |(place, mut part): (usize, Part)| {
        let mut header = header.clone();
        if place != 0 {
            (header.lost, header.agent_events) = (Vec::new(), Vec::new());
            (header.read, header.rejected) = (0, 0);
        }
        if place + 1 != count {
            header.marks = Vec::new();
        }
        let mut value = Vec::with_capacity(header.encoded_len() + part.size());
        header.encode_raw(&mut value);
        part.finish(&mut value);
        OutRecord {
            to: Output::Topic { topic: topic.clone(), partition: Some(partition) },
            key: None,
            value: Some(value),
            headers: Vec::new(),
            timestamp: None,
        }
    };
    all.map(write).collect()
}

/// Empties rows into a part, which is handed over, to be emptied, as often as it grows beyond `bytes_max`. The texts of
/// reasons are told to whom the facts go.
pub fn write_parts(
    rows: &mut Rows,
    (names, routes): (&mut Names, &Routes),
    (fields, bytes_max): (Fields, usize),
    part: &mut Part,
    mut is_full: impl FnMut(&mut Part),
) {
    rows.reasons.clear();
    rows.drain(|(id, family, at), facts| {
        if bytes_max < part.size() {
            is_full(part);
        }
        part.add(fields, id, names.name(routes, id), (family, at), facts.as_slice());
    });
}

/// Facts in one row; those of one entity and instant may be more, where many agents pause for many reasons. With the
/// texts of theirs no record grows much beyond what fills it.
const ROW_FACTS_MAX: usize = 1_000;

/// The texts of reasons in a batch.
const REASONS_FIELD: u32 = 8;

/// Batches to write, by partition, in order.
pub type Parts = BTreeMap<i32, Vec<Part>>;

/// Into how many partitions rows are to be written, and how long a batch may be in bytes, about.
#[derive(Clone, Copy, Debug)]
pub struct Targets {
    pub partials: i32,
    /// Those of the subjects, for a writer whose agents' parts in calls go there; none keeps all for the partials.
    pub subjects: Option<i32>,
    pub bytes_max: usize,
}

/// Empties rows into batches to the partials, and to the subjects.
pub fn write_batches(rows: &mut Rows, names: &mut Names, routes: &Routes, targets: Targets) -> [Parts; 2] {
    let Targets { partials, subjects, bytes_max } = targets;
    let mut both = [Parts::new(), Parts::new()];
    let texts = rows.take_reasons();
    rows.drain(|(id, family, at), facts| {
        let name = names.name(routes, id);
        let (place, partitions) = match subjects.filter(|_| family == Family::Time) {
            Some(subjects) => (1, subjects),
            None => (0, partials),
        };
        let parts = both[place].entry(partition_of_hash(name.hash, partitions)).or_default();
        for facts in facts.as_slice().chunks(ROW_FACTS_MAX) {
            if parts.last().is_none_or(|part| bytes_max < part.size()) {
                parts.push(Part::default());
            }
            let part = parts.last_mut().expect("there is one now");
            part.add(Fields::BATCH, id, name, (family, at), facts);
            part.tell(&texts, facts);
        }
    });
    both
}

fn write_bytes(field: u32, bytes: &[u8], out: &mut Vec<u8>) {
    // A length-delimited field.
    encode_varint(u64::from(field << 3 | 2), out);
    encode_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

/// The content of a [`wire::Row`].
fn write_row(entity: u32, family: Family, at: i64, facts: &[(Key, i64)], out: &mut Vec<u8>) {
    for (field, value) in [(1, u64::from(entity)), (2, family as u64), (3, zigzag(at))] {
        if value != 0 {
            encode_varint(field << 3, out);
            encode_varint(value, out);
        }
    }
    let keys = |(key, _): &(Key, i64)| u64::from(key.code());
    let amounts = |(_, amount): &(Key, i64)| zigzag(*amount);
    write_packed(4, facts.iter().map(keys), out);
    write_packed(5, facts.iter().map(amounts), out);
}

fn write_packed(field: u32, values: impl Iterator<Item = u64> + Clone, out: &mut Vec<u8>) {
    encode_varint(u64::from(field << 3 | 2), out);
    encode_varint(values.clone().map(|value| encoded_len_varint(value) as u64).sum(), out);
    values.for_each(|value| encode_varint(value, out));
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

/// A batch as it was read. Its names stay where they lie: a board knows most entities by their bytes.
#[derive(Debug, Default)]
pub struct Batch<'b> {
    /// Without names and rows.
    pub header: wire::Batch,
    /// Each in the bytes of its [`wire::EntityName`].
    pub names: Vec<&'b [u8]>,
    pub rows: Vec<BatchRow>,
    facts: Vec<(Key, i64)>,
}

/// One row of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BatchRow {
    /// The place of its name.
    pub entity: u32,
    /// None if this version does not know it.
    pub family: Option<Family>,
    pub at: i64,
    /// Where its facts lie.
    from: u32,
    to: u32,
}

/// The year 10000: no event happens later, and no arithmetic on times before it overflows.
const LAST_SECOND: i64 = 253_402_300_800;

/// Agents times milliseconds of an instant, of one change: half a million agents at once, today.
const TIMES_MAX: i128 = 1 << 60;
/// For instants near 1970.
const AT_LEAST: i128 = 1_000_000_000_000;

/// Bytes that are no message, or say what nobody can have written.
#[derive(Debug)]
pub struct Damaged;

impl<'b> Batch<'b> {
    /// The batch in a record's bytes; errs if they are no message, with nothing taken of it.
    pub fn read(mut bytes: &'b [u8]) -> Result<Batch<'b>, Damaged> {
        let mut batch = Batch::default();
        let (mut header, mut rows) = (Vec::new(), Reader::default());
        while !bytes.is_empty() {
            let before = bytes;
            match read_field(&mut bytes)? {
                (4, Value::Bytes(name)) => batch.names.push(name),
                (5, Value::Bytes(row)) => batch.rows.push(rows.read(row, &mut batch.facts)?),
                _ => header.extend_from_slice(&before[..before.len() - bytes.len()]),
            }
        }
        batch.header = wire::Batch::decode(header.as_slice()).map_err(|_| Damaged)?;
        Ok(batch)
    }

    /// Books what has no room of its own at what stands for it.
    pub fn book(&mut self, room_for: impl Fn(Key) -> Key) {
        self.facts.iter_mut().for_each(|(key, _)| *key = room_for(*key));
    }

    /// The facts of one of its rows, amounts signed. A key that this version does not know is left out.
    pub fn facts(&self, row: &BatchRow) -> &[(Key, i64)] {
        &self.facts[row.from as usize..row.to as usize]
    }
}

/// Reads rows; its memory serves them all.
#[derive(Default)]
struct Reader {
    keys: Vec<u64>,
    amounts: Vec<u64>,
}

impl Reader {
    fn read(&mut self, mut bytes: &[u8], facts: &mut Vec<(Key, i64)>) -> Result<BatchRow, Damaged> {
        self.keys.clear();
        self.amounts.clear();
        let (mut entity, mut kind, mut at) = (0, 0, 0);
        while !bytes.is_empty() {
            match read_field(&mut bytes)? {
                (1, Value::Number(value)) => entity = value as u32,
                (2, Value::Number(value)) => kind = value as u32,
                (3, Value::Number(value)) => at = unzigzag(value),
                (4, values) => read_numbers(values, &mut self.keys)?,
                (5, values) => read_numbers(values, &mut self.amounts)?,
                _ => {}
            }
        }
        let family = family(kind);
        let is_in_millis = matches!(family, Some(Family::Waiting | Family::Time));
        let last = if is_in_millis { LAST_SECOND * 1000 } else { LAST_SECOND };
        if !(-last..=last).contains(&at) {
            return Err(Damaged);
        }
        let is_beyond = |amount: &u64| {
            TIMES_MAX < i128::from(unzigzag(*amount)).abs().saturating_mul(i128::from(at).abs().max(AT_LEAST))
        };
        if family == Some(Family::Time) && self.amounts.iter().any(is_beyond) {
            return Err(Damaged);
        }
        let from = facts.len() as u32;
        let both = self.keys.iter().zip(&self.amounts);
        facts.extend(both.filter_map(|(code, amount)| Some((Key::from_code(*code as u32)?, unzigzag(*amount)))));
        Ok(BatchRow { entity, family, at, from, to: facts.len() as u32 })
    }
}

enum Value<'b> {
    Number(u64),
    Bytes(&'b [u8]),
    /// Of a width that no field of names and rows has.
    Other,
}

/// The next field's number and value.
fn read_field<'b>(bytes: &mut &'b [u8]) -> Result<(u64, Value<'b>), Damaged> {
    let take = |bytes: &mut &'b [u8], length: u64| {
        let taken = usize::try_from(length).ok().and_then(|length| bytes.split_at_checked(length));
        let (taken, rest) = taken.ok_or(Damaged)?;
        *bytes = rest;
        Ok(taken)
    };
    let tag = read_number(bytes)?;
    let value = match tag & 7 {
        0 => Value::Number(read_number(bytes)?),
        1 => take(bytes, 8).map(|_| Value::Other)?,
        2 => {
            let length = read_number(bytes)?;
            Value::Bytes(take(bytes, length)?)
        }
        5 => take(bytes, 4).map(|_| Value::Other)?,
        _ => return Err(Damaged),
    };
    Ok((tag >> 3, value))
}

fn read_number(bytes: &mut &[u8]) -> Result<u64, Damaged> {
    decode_varint(bytes).map_err(|_| Damaged)
}

fn read_numbers(value: Value<'_>, numbers: &mut Vec<u64>) -> Result<(), Damaged> {
    match value {
        Value::Number(number) => numbers.push(number),
        Value::Bytes(mut packed) => {
            while !packed.is_empty() {
                numbers.push(read_number(&mut packed)?);
            }
        }
        Value::Other => return Err(Damaged),
    }
    Ok(())
}

/// One row on the wire.
pub fn row(entity: u32, family: Family, at: i64, facts: &Facts) -> wire::Row {
    let (keys, amounts) = facts.as_slice().iter().map(|(key, amount)| (key.code(), *amount)).unzip();
    wire::Row { entity, family: family as u32, at, keys, amounts }
}

/// The facts of a row; a key that this version does not know is left out.
pub fn facts_of(row: &wire::Row) -> impl Iterator<Item = (Key, i64)> {
    let both = row.keys.iter().zip(&row.amounts);
    both.filter_map(|(code, amount)| Key::from_code(*code).map(|key| (key, *amount)))
}

/// The family of its number; none if there is no such family.
pub fn family(code: u32) -> Option<Family> {
    [Family::Event, Family::Entry, Family::Waiting, Family::Time].into_iter().find(|family| *family as u32 == code)
}

/// The entity of a name; none if its kind or channel has no such place.
pub fn entity(name: &wire::EntityName) -> Option<Entity> {
    let channel = match name.channel {
        None => None,
        Some(place) => Some(*Channel::ALL.get(place as usize)?),
    };
    let kind = *Kind::ALL.get(name.kind as usize)?;
    Some(Entity { tenant: name.tenant.as_str().into(), kind, id: name.id.as_str().into(), channel })
}

pub fn name(entity: &Entity) -> wire::EntityName {
    wire::EntityName {
        tenant: entity.tenant.to_string(),
        kind: entity.kind as u32,
        id: entity.id.to_string(),
        channel: entity.channel.map(|channel| channel as u32),
    }
}

/// The partition of an entity's facts and records among so many: FNV-1a over its key, the same on
/// every machine and in every version.
pub fn partition_of(entity: &Entity, partitions: i32) -> i32 {
    partition_of_hash(hash_of(entity), partitions)
}

fn hash_of(entity: &Entity) -> u64 {
    let key = entity.to_string();
    key.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

fn partition_of_hash(hash: u64, partitions: i32) -> i32 {
    // The low bits of FNV are its weak ones.
    ((hash >> 20) % partitions as u64) as i32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::life::plan::Plan;
    use crate::time::Span;
    use proptest::prelude::*;

    fn key(place: usize) -> Key {
        use crate::fact::{Distribution, Measure};
        match Measure::ALL.get(place) {
            Some(measure) => Key::measure(*measure),
            None => Key::duration(Distribution::ALL[place % 6], place as i64 * 9_000),
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_as_it_was_booked(
            booked in proptest::collection::vec((0..9_u8, 0..3_u32, -3..3_i64, 0..90_usize, -2..3_i64), 0..200),
            bytes_max in 0..300_usize,
        ) {
            let mut routes = Routes::new(Plan::plain(Span(0), Span(0)).into());
            let (mut rows, mut names) = (Rows::default(), Names::default());
            let mut known: BTreeMap<(Entity, Family, i64), Facts> = BTreeMap::new();
            for (id, code, at, place, amount) in booked {
                let channel = Channel::ALL.get(usize::from(id)).copied();
                let kind = Kind::ALL[usize::from(id) % 5];
                let entity = Entity { tenant: "t".into(), kind, id: id.to_string().as_str().into(), channel };
                let (family, at) = (family(code).expect("a family"), at * 4_000_000_000);
                known.entry((entity.clone(), family, at)).or_default().add(key(place), amount);
                let id = routes.id(entity.clone());
                rows.facts(Account { id, entity: &entity }, family, at, &[(key(place), amount)]);
            }
            known.retain(|_, facts| !facts.is_empty());
            let mut read: BTreeMap<(Entity, Family, i64), Facts> = BTreeMap::new();
            let targets = Targets { partials: 3, subjects: None, bytes_max };
            let [partials, subjects] = write_batches(&mut rows, &mut names, &routes, targets);
            prop_assert!(subjects.is_empty());
            for (partition, parts) in partials {
                for mut part in parts {
                    let mut bytes = wire::Batch { plan: 7, ..wire::Batch::default() }.encode_to_vec();
                    part.finish(&mut bytes);
                    let batch = Batch::read(&bytes).expect("a batch");
                    // The same to whoever reads it by the book.
                    let by_book = wire::Batch::decode(bytes.as_slice()).expect("a batch");
                    prop_assert_eq!((batch.header.plan, by_book.rows.len()), (7, batch.rows.len()));
                    for (row, wire) in batch.rows.iter().zip(&by_book.rows) {
                        prop_assert!(batch.facts(row).iter().copied().eq(facts_of(wire)));
                        let of = wire::EntityName::decode(batch.names[row.entity as usize]).expect("a name");
                        prop_assert_eq!(&of, &by_book.entities[wire.entity as usize]);
                        prop_assert_eq!((row.family, row.at), (family(wire.family), wire.at));
                        let of = entity(&of).expect("an entity");
                        prop_assert_eq!(partition_of(&of, 3), partition);
                        let place = (of, row.family.expect("a family"), row.at);
                        prop_assert!(read.insert(place, batch.facts(row).iter().copied().collect()).is_none());
                    }
                }
            }
            prop_assert_eq!(read, known);
        }

        #[test]
        fn no_bytes_stop_the_reader(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let by_book = wire::Batch::decode(bytes.as_slice());
            if let (Ok(batch), Ok(by_book)) = (Batch::read(&bytes), by_book) {
                prop_assert_eq!(batch.rows.len(), by_book.rows.len());
            }
        }
    }
}
