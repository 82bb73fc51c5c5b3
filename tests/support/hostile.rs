//! Hostile bytes: valid ones damaged, and garbage that knows the grammar; and how much memory work takes.

use callpulse::decode::table::{Field, Type};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// Numbers from a seed: splitmix64.
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Chance {
        Chance(seed)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    fn pick<'t, T: ?Sized>(&mut self, from: &[&'t T]) -> &'t T {
        from[self.below(from.len() as u64) as usize]
    }

    fn place(&mut self, length: usize) -> usize {
        self.below(length as u64 + 1) as usize
    }
}

/// What readers of numbers, texts and lengths stumble over.
const PIECES: &[&[u8]] = &[
    b"-9223372036854775808",
    b"9223372036854775807",
    b"18446744073709551616",
    b"-0",
    b"0.1e-400",
    b"1e999",
    b"253370764799999",
    b"99999999999",
    b"null",
    b"true",
    b"\"\"",
    b"{}",
    b"[]",
    b"\\u0000",
    b"\\ud800",
    b"\xed\xa0\x80",
    b"\xff",
    b"\xef\xbb\xbf",
    b"\xf4\x8f\xbf\xbf",
    b"9999-12-31T23:59:60Z",
    b"-0001-01-01T00:00:00+99:99",
    b"2026-03-02T08:15:30.999999999999999999Z",
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80",
    b"\xfe\xff\xff\xff\x0f",
    b"\x0a\xff\xff\xff\xff\x07",
    b"\x00",
];

/// One of `corpus` with some damage, of which there may be none.
pub fn damage(corpus: &[Vec<u8>], chance: &mut Chance) -> Vec<u8> {
    let mut bytes = corpus[chance.below(corpus.len() as u64) as usize].clone();
    for _ in 0..chance.below(5) {
        let (from, to) = (chance.place(bytes.len()), chance.place(bytes.len()));
        let (from, to) = (from.min(to), from.max(to));
        match chance.below(9) {
            0 | 1 if from < bytes.len() => bytes[from] ^= 1 << chance.below(8),
            2 if from < bytes.len() => bytes[from] = chance.below(256) as u8,
            3 => drop(bytes.drain(from..to.min(from + 20))),
            4 => {
                let again = bytes[from..to.min(from + 60)].to_vec();
                bytes.splice(to..to, again);
            }
            5 => bytes.truncate(to),
            6 => {
                let other = &corpus[chance.below(corpus.len() as u64) as usize];
                bytes.truncate(from);
                bytes.extend_from_slice(&other[chance.place(other.len())..]);
            }
            7 => {
                let digits = bytes.iter().skip(from).position(u8::is_ascii_digit).map_or(from, |at| from + at);
                let end = bytes.iter().skip(digits).position(|byte| !byte.is_ascii_digit());
                let end = end.map_or(bytes.len(), |length| digits + length);
                bytes.splice(digits..end, chance.pick(PIECES).iter().copied());
            }
            _ => {
                bytes.splice(from..from, chance.pick(PIECES).iter().copied());
            }
        }
    }
    bytes
}

/// An object with the fields there are and values of every kind, most of them wrong.
pub fn json_garbage(chance: &mut Chance) -> Vec<u8> {
    let mut out = b"{".to_vec();
    let kind = Type::ALL[chance.below(Type::ALL.len() as u64) as usize].word();
    out.extend_from_slice(format!(r#""type":"{kind}","time":1772439330120,"call_id":"c1","agent":"a""#).as_bytes());
    for _ in 0..chance.below(12) {
        let field = Field::ALL[chance.below(Field::ALL.len() as u64) as usize].word();
        out.extend_from_slice(format!(r#","{field}":"#).as_bytes());
        json_value(chance, 0, &mut out);
    }
    out.push(b'}');
    out
}

fn json_value(chance: &mut Chance, depth: u32, out: &mut Vec<u8>) {
    match chance.below(14) {
        0..4 => out.extend_from_slice(chance.pick(PIECES)),
        4 => out.extend_from_slice(format!("{}", chance.below(u64::MAX)).as_bytes()),
        5 => out.extend_from_slice(format!("{:?}", f64::from_bits(chance.below(u64::MAX))).as_bytes()),
        6 if depth < 4 => {
            out.extend_from_slice(b"{\"score\":");
            json_value(chance, depth + 1, out);
            out.extend_from_slice(b",\"min\":1,\"max\":");
            json_value(chance, depth + 1, out);
            out.push(b'}');
        }
        7 if depth < 4 => {
            out.push(b'[');
            for _ in 0..chance.below(4) {
                json_value(chance, depth + 1, out);
                out.push(b',');
            }
            out.push(b']');
        }
        8 if chance.below(40) == 0 => {
            let deep = chance.below(50_000) as usize;
            out.extend(std::iter::repeat_n(b'[', deep));
            out.extend(std::iter::repeat_n(b']', deep));
        }
        9 if chance.below(40) == 0 => {
            out.push(b'"');
            let long = chance.below(40_000) as usize;
            out.extend(std::iter::repeat_n(b'x', long));
            out.push(b'"');
        }
        10 if chance.below(2_000) == 0 => {
            out.push(b'"');
            let long = chance.below(2_000_000) as usize;
            out.extend(std::iter::repeat_n(b'x', long));
            out.push(b'"');
        }
        _ => {
            let text = ["default", "sales", "abandoned", "\\u0041", "صف", " ", "other", "|%/;", "timeout", "blind"];
            out.extend_from_slice(format!("\"{}\"", chance.pick(&text)).as_bytes());
        }
    }
}

/// Fields of every wire type, nested and with lengths that lie.
pub fn protobuf_garbage(chance: &mut Chance) -> Vec<u8> {
    let mut out = Vec::new();
    for _ in 0..chance.below(12) {
        protobuf_field(chance, 0, &mut out);
    }
    out
}

fn protobuf_field(chance: &mut Chance, depth: u32, out: &mut Vec<u8>) {
    let number = if chance.below(20) == 0 { chance.below(u64::MAX >> 3) } else { 1 + chance.below(50) };
    let wire = chance.below(8);
    put_varint(out, number << 3 | wire);
    match wire {
        0 => put_varint(out, if chance.below(2) == 0 { chance.below(100) } else { chance.below(u64::MAX) }),
        1 => out.extend_from_slice(&chance.below(u64::MAX).to_le_bytes()),
        2 if depth < 5 && chance.below(2) == 0 => {
            let mut inner = Vec::new();
            for _ in 0..chance.below(5) {
                protobuf_field(chance, depth + 1, &mut inner);
            }
            let lie = if chance.below(10) == 0 { chance.below(1 << 40) } else { 0 };
            put_varint(out, inner.len() as u64 + lie);
            out.extend_from_slice(&inner);
        }
        2 => {
            let text = ["call.queued", "c1", "sales", "", "\u{0}", "صف", "call.ended"];
            let text = chance.pick(&text).as_bytes();
            put_varint(out, text.len() as u64);
            out.extend_from_slice(text);
        }
        3 if chance.below(50) == 0 => {
            let deep = chance.below(100_000) as usize;
            out.extend(std::iter::repeat_n((3 << 3 | 3) as u8, deep));
        }
        5 => out.extend_from_slice(&[0xff; 4]),
        _ => {}
    }
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while 0x80 <= value {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Settings with keys there are and values of every kind.
pub fn toml_garbage(chance: &mut Chance) -> Vec<u8> {
    const KEYS: &[&str] = &[
        "kafka.brokers",
        "kafka.properties.acks",
        "sources",
        "topics.partitions",
        "engine.generation",
        "engine.late_horizon",
        "windows.sliding",
        "windows.intervals",
        "windows.timezone",
        "windows.by_channel",
        "service_level.threshold",
        "service_level.target",
        "service_level.also",
        "queues.a.targets",
        "queues.\"\".title",
        "tenants.a.max_entities",
        "agents.a.aliases",
        "teams.a.members",
        "serve.listen",
        "serve.token",
        "serve.allowed_hosts",
    ];
    const VALUES: &[&str] = &[
        "\"9223372036854775807d\"",
        "\"1s\"",
        "\"0ms\"",
        "\"1mo\"",
        "[\"1s\", \"1s\"]",
        "[\"7d\", \"86400s\"]",
        "-1",
        "9223372036854775807",
        "nan",
        "-inf",
        "1e308",
        "1979-05-27T07:32:00Z",
        "\"${HOME\"",
        "\"${}\"",
        "\"$${X}\"",
        "{ a = 1 }",
        "[[[[]]]]",
        "[{ agent = \"a\", from = \"2026-13-01\", until = \"2026-03-01\" }]",
        "[{ topic = \"a\" }, { topic = \"a\", format = 1 }]",
        "\"[::1]:0\"",
        "\"answered_only@-1s\"",
        "[\"answered_only@9999999999999999999s\"]",
        "\"Europe/Budapest\"",
        "\"\\u0000\"",
        "true",
    ];
    let line = |_| format!("{} = {}\n", chance.pick(KEYS), chance.pick(VALUES));
    (0..6).map(line).collect::<String>().into_bytes()
}

/// The system's allocator, which counts what each thread holds.
pub struct Counting;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

fn count(bytes: isize) {
    // A thread that is ending has no more place to count in.
    let _ = HELD.try_with(|held| {
        held.set(held.get() + bytes);
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(held.get())));
    });
}

// SAFETY: everything is the system allocator's; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// What the work gives, and the most memory it held at once.
pub fn peak_of<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = HELD.get();
    PEAK.set(before);
    let done = work();
    (done, usize::try_from(PEAK.get() - before).unwrap_or(0))
}
