//! A small protocol, and codecs of it that are wrong in one way each.
//!
//! `K`, kind, id (4), timeout or status (2), bytes of the fields (2), bytes of the body (4); then
//! the fields, each as the lengths of name (1) and value (2) and both, and the body.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "each place has the codecs that are wrong there, and all others do right"
)]

use crate::{
    Codec, CodecProfile, Decoded, Detection, Frame, FrameKind, IdPlace, IdWidth, PoolMode,
    Rejection, Rewrite,
};

pub(super) const PROFILE: CodecProfile = CodecProfile {
    pool: PoolMode::Multiplexed,
    id_width: IdWidth::Four,
    heartbeats: true,
    go_away: true,
    default_timeout_ms: 0,
};

const HEAD: usize = 14;
const KINDS: [FrameKind; 6] = [
    FrameKind::Request,
    FrameKind::OneWay,
    FrameKind::Response,
    FrameKind::Heartbeat,
    FrameKind::HeartbeatReply,
    FrameKind::GoAway,
];

/// What a codec does wrong.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Fault {
    None,
    /// No fault: it changes nothing and rejects nothing.
    RefusesAll,
    ZeroLength,
    LongFrame,
    LongBody,
    TurnedBody,
    FarId,
    OtherId,
    WideId,
    OddStatus,
    OddAttribute,
    NamelessField,
    LosesAll,
    WantsAlways,
    NeverMalformed,
    AlwaysMalformed,
    NeverLost,
    TotalTooLarge,
    TotalTooSmall,
    LosesBeginnings,
    FramesTooEarly,
    ReadsBehind,
    ReservesByWire,
    LongReason,
    RefusesUnchanged,
    DropsTimeout,
    KeepsOldId,
    KeepsFields,
    KeepsBody,
    CutsValues,
    WritesTwice,
    WritesPart,
    IdHasSum,
    NoHeartbeat,
    HeartbeatIsRequest,
    ReplyOfAnother,
    NoReply,
    RejectsAnother,
    RejectsAsFine,
    RejectsByRequest,
    NoGoAway,
    GoAwayIsRequest,
    DetectsAll,
    DetectsNothing,
    DetectsLate,
    DetectsForgets,
    PanicsOnBytes,
    PanicsInEncode,
    PanicsInReject,
}

pub(super) struct Knock(pub(super) Fault);

type List = Vec<(Vec<u8>, Vec<u8>)>;

/// One frame.
pub(super) fn request(
    kind: u8,
    id: u32,
    word: u16,
    fields: &[(&str, &str)],
    body: &[u8],
) -> Vec<u8> {
    let fields: Vec<(&[u8], &[u8])> =
        fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    written(kind, id.into(), word, &fields, body).expect("it fits")
}

fn written(
    kind: u8,
    id: u64,
    word: u16,
    fields: &[(&[u8], &[u8])],
    body: &[u8],
) -> Option<Vec<u8>> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(u8::try_from(name.len()).ok()?);
        block.extend(u16::try_from(value.len()).ok()?.to_be_bytes());
        block.extend([*name, *value].concat());
    }
    let mut bytes = vec![b'K', kind];
    bytes.extend(u32::try_from(id).ok()?.to_be_bytes());
    bytes.extend(word.to_be_bytes());
    bytes.extend(u16::try_from(block.len()).ok()?.to_be_bytes());
    bytes.extend(u32::try_from(body.len()).ok()?.to_be_bytes());
    bytes.extend(block);
    bytes.extend(body);
    Some(bytes)
}

fn fields(mut block: &[u8]) -> Option<List> {
    let mut fields = Vec::new();
    while let [name, high, low, rest @ ..] = block {
        let (name, rest) = rest.split_at_checked(usize::from(*name))?;
        let (value, rest) = rest.split_at_checked(u16::from_be_bytes([*high, *low]).into())?;
        if name.is_empty() {
            return None;
        }
        fields.push((name.to_vec(), value.to_vec()));
        block = rest;
    }
    block.is_empty().then_some(fields)
}

fn text(fields: &[(Vec<u8>, Vec<u8>)], name: &[u8]) -> String {
    let found = fields.iter().find(|(own, _)| own == name);
    found.map_or(String::new(), |(_, value)| String::from_utf8_lossy(value).into_owned())
}

impl Codec for Knock {
    fn detect(&mut self, first: &[u8]) -> Detection {
        match (self.0, first) {
            (Fault::DetectsAll, _) => Detection::Match,
            (Fault::DetectsNothing, _) => Detection::No,
            (Fault::DetectsLate, [b'K', ..]) => Detection::NeedMore,
            (Fault::DetectsForgets, [b'K', _, _, _, _, ..]) => Detection::NeedMore,
            (_, [] | [b'K']) => Detection::NeedMore,
            (_, [b'K', 0..=5, ..]) => Detection::Match,
            _ => Detection::No,
        }
    }

    fn decode(&mut self, bytes: &[u8]) -> Decoded {
        match (self.0, bytes) {
            (Fault::LosesAll, _) => return Decoded::Lost("nothing is mine".into()),
            (Fault::WantsAlways, _) => return Decoded::NeedMore { total: 0 },
            (Fault::LosesBeginnings, [_]) => return Decoded::Lost("one byte".into()),
            (Fault::NeverLost, [first, ..]) if *first != b'K' => {
                return Decoded::NeedMore { total: 0 };
            }
            (Fault::LongReason, [first, ..]) if *first != b'K' => {
                return Decoded::Lost("x".repeat(100_000));
            }
            (_, [] | [b'K']) => return Decoded::NeedMore { total: 0 },
            (_, [b'K', 0..=5, ..]) => {}
            _ => return Decoded::Lost("no magic".into()),
        }
        let Some((head, rest)) = bytes.split_at_checked(HEAD) else {
            return match self.0 {
                Fault::TotalTooSmall => Decoded::NeedMore { total: 1 },
                _ => Decoded::NeedMore { total: 0 },
            };
        };
        let number = |at: usize| u16::from_be_bytes([head[at], head[at + 1]]);
        let block = usize::from(number(8));
        let body = u32::from_be_bytes([head[10], head[11], head[12], head[13]]);
        let total = HEAD + block + usize::try_from(body).expect("a number");
        if self.0 == Fault::ReservesByWire {
            // Every byte of a length that nobody checked.
            let mut frame = frame(head, Vec::with_capacity(usize::from(number(8)) << 8));
            frame.length = HEAD;
            frame.body = HEAD..HEAD;
            return Decoded::Frame(Box::new(frame));
        }
        if bytes.len() < total {
            return match self.0 {
                Fault::TotalTooLarge => Decoded::NeedMore { total: total + 9 },
                Fault::FramesTooEarly => Decoded::Frame(Box::new(Frame {
                    length: HEAD,
                    body: HEAD..HEAD,
                    ..frame(head, Vec::new())
                })),
                _ => Decoded::NeedMore { total },
            };
        }
        self.whole(head, fields(&rest[..block]), total, bytes)
    }

    fn encode(&mut self, rewrite: &Rewrite<'_>) -> Option<Vec<u8>> {
        let kind = KINDS.iter().position(|kind| *kind == rewrite.kind)?;
        let kind = u8::try_from(kind).ok()?;
        let word = u16::from_be_bytes([*rewrite.raw.get(6)?, *rewrite.raw.get(7)?]);
        let old = || {
            let block = usize::from(u16::from_be_bytes([rewrite.raw[8], rewrite.raw[9]]));
            (fields(&rewrite.raw[HEAD..HEAD + block]).unwrap_or_default(), HEAD + block)
        };
        let changed = rewrite.fields_changed || rewrite.body_changed;
        let mut list = rewrite.fields.clone();
        let (kept, body) = old();
        match self.0 {
            Fault::RefusesAll if changed => return None,
            Fault::RefusesUnchanged if !changed => return None,
            Fault::PanicsInEncode if rewrite.body_changed => panic!("told to"),
            Fault::DropsTimeout => {
                return written(kind, rewrite.id, 0, &list, rewrite.body);
            }
            Fault::IdHasSum => {
                let sum = u16::try_from(rewrite.id & 0xff).ok()?;
                return written(kind, rewrite.id, sum, &list, rewrite.body);
            }
            Fault::KeepsOldId => {
                return written(kind, rewrite.old_id, word, &list, rewrite.body);
            }
            Fault::KeepsFields => {
                list = kept.iter().map(|(name, value)| (&name[..], &value[..])).collect();
            }
            Fault::KeepsBody => {
                return written(kind, rewrite.id, word, &list, &rewrite.raw[body..]);
            }
            Fault::CutsValues => {
                for (_name, value) in &mut list {
                    *value = &value[..value.len().min(0xffff - 200)];
                }
            }
            _ => {}
        }
        let bytes = written(kind, rewrite.id, word, &list, rewrite.body)?;
        match self.0 {
            Fault::WritesTwice => Some([bytes.clone(), bytes].concat()),
            Fault::WritesPart => Some(bytes[..bytes.len() - 1].to_vec()),
            _ => Some(bytes),
        }
    }

    fn heartbeat(&mut self, id: u64) -> Option<Vec<u8>> {
        match self.0 {
            Fault::NoHeartbeat => None,
            Fault::HeartbeatIsRequest => written(0, id, 0, &[], b""),
            _ => written(3, id, 0, &[], b""),
        }
    }

    fn heartbeat_reply(&mut self, _heartbeat: &[u8], id: u64) -> Option<Vec<u8>> {
        match self.0 {
            Fault::NoReply => None,
            Fault::ReplyOfAnother => written(4, id ^ 1, 0, &[], b""),
            _ => written(4, id, 0, &[], b""),
        }
    }

    fn reject(&mut self, rejection: &Rejection<'_>) -> Option<Vec<u8>> {
        let word = if rejection.status < 400 { 0 } else { rejection.status };
        let fields = &rejection.fields;
        match self.0 {
            Fault::RefusesAll => None,
            Fault::PanicsInReject => panic!("told to"),
            Fault::RejectsAnother => written(2, rejection.id ^ 1, word, fields, b""),
            Fault::RejectsAsFine => written(2, rejection.id, 0, fields, rejection.body),
            Fault::RejectsByRequest => written(0, rejection.id, word, fields, b""),
            _ => written(2, rejection.id, word, fields, rejection.body),
        }
    }

    fn go_away(&mut self) -> Option<Vec<u8>> {
        match self.0 {
            Fault::NoGoAway => None,
            Fault::GoAwayIsRequest => written(0, 0, 0, &[], b""),
            _ => written(5, 0, 0, &[], b""),
        }
    }
}

/// What the head says.
fn frame(head: &[u8], fields: List) -> Frame {
    let word = u16::from_be_bytes([head[6], head[7]]);
    let kind = KINDS[usize::from(head[1])];
    let response = kind == FrameKind::Response;
    Frame {
        kind,
        id: u32::from_be_bytes([head[2], head[3], head[4], head[5]]).into(),
        id_place: Some(IdPlace { offset: 2, width: IdWidth::Four, little_endian: false }),
        service: text(&fields, b"service"),
        method: text(&fields, b"method"),
        timeout_ms: (!response && word > 0).then_some(word.into()),
        status: if response { word.into() } else { 0 },
        http_status: if response && word > 0 { 500 } else { 200 },
        fields,
        attributes: vec![(":kind".into(), vec![head[1]])],
        ..Frame::default()
    }
}

impl Knock {
    fn whole(&self, head: &[u8], block: Option<List>, total: usize, bytes: &[u8]) -> Decoded {
        let malformed = match (&block, self.0) {
            (_, Fault::NeverMalformed) => None,
            (_, Fault::AlwaysMalformed) => Some("always".into()),
            (None, _) => Some("the fields lie".into()),
            (Some(_), _) => None,
        };
        let body = u32::from_be_bytes([head[10], head[11], head[12], head[13]]);
        let start = total - usize::try_from(body).expect("a number");
        let mut frame = Frame {
            length: total,
            body: start..total,
            malformed,
            ..frame(head, block.unwrap_or_default())
        };
        self.spoil(&mut frame, bytes);
        Decoded::Frame(Box::new(frame))
    }

    fn spoil(&self, frame: &mut Frame, bytes: &[u8]) {
        let total = frame.length;
        match self.0 {
            Fault::ZeroLength => frame.length = 0,
            Fault::LongFrame => frame.length = bytes.len() + 1,
            Fault::LongBody => frame.body.end = total + 1,
            #[expect(clippy::reversed_empty_ranges, reason = "that is the fault")]
            Fault::TurnedBody => frame.body = 4..2,
            Fault::FarId => frame.id_place.as_mut().expect("a place").offset = usize::MAX - 2,
            Fault::OtherId => frame.id += 1,
            Fault::WideId => {
                frame.id = 1 << 40;
                frame.id_place = None;
            }
            Fault::OddStatus => frame.http_status = 99,
            Fault::OddAttribute => frame.attributes = vec![("kind".into(), Vec::new())],
            Fault::NamelessField => frame.fields.push((Vec::new(), b"x".to_vec())),
            Fault::ReadsBehind => frame.status += u32::from(bytes.len() > total),
            // A sum of the id, which nobody writes who writes the id.
            Fault::IdHasSum => {
                frame.timeout_ms = None;
                frame.malformed = (bytes[7] != bytes[5]).then(|| "a wrong sum".into());
            }
            Fault::PanicsOnBytes => assert!(bytes[6] != 0xff, "told to"),
            _ => {}
        }
    }
}
