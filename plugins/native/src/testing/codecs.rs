//! A small protocol, written with the SDK: a magic byte, the length of the frame in two bytes, the
//! kind, the id in four, the length of a key, the key, and the payload, which may be a deed.

use mortise_sdk::{
    Codec, CodecProfile, Decoded, Detection, Frame, FrameKind, Host, IdPlace, IdWidth, Plugin,
    PoolMode, Refusal, Rejection, Rewrite,
    backend::{Declaration, Registration, kind_number, kind_of},
};

/// The byte that a frame begins with.
const MAGIC: u8 = 0xA5;
const HEAD: usize = 9;

pub(super) const TOY: Declaration =
    Declaration { name: "toy", version: "1.0.0", plugins: &[Registration::of::<Toy>("")] };

/// A plugin whose configuration says whether it makes codecs.
pub(crate) struct Toy(String);

impl Plugin for Toy {
    type Config = String;
    const CODEC: CodecProfile = CodecProfile {
        pool: PoolMode::PingPong,
        heartbeats: true,
        go_away: true,
        default_timeout_ms: 250,
        ..CodecProfile::DEFAULT
    };

    fn parse(config: &[u8]) -> Result<String, Refusal> {
        Ok(String::from_utf8_lossy(config).into_owned())
    }

    fn start(config: String, _host: &Host<'_>) -> Result<Self, Refusal> {
        Ok(Self(config))
    }

    fn codec(&mut self, _host: &Host<'_>) -> Option<Box<dyn Codec>> {
        (self.0 != "none").then(|| Box::new(ToyCodec) as Box<dyn Codec>)
    }
}

struct ToyCodec;

/// Writes a frame.
pub(crate) fn toy(kind: u32, id: u32, key: &str, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(HEAD + key.len() + body.len()).expect("a short frame");
    let mut bytes = vec![MAGIC];
    bytes.extend(length.to_be_bytes());
    bytes.push(u8::try_from(kind).expect("a kind"));
    bytes.extend(id.to_be_bytes());
    bytes.push(u8::try_from(key.len()).expect("a short key"));
    bytes.extend(key.as_bytes());
    bytes.extend(body);
    bytes
}

impl ToyCodec {
    fn frame(bytes: &[u8], length: usize) -> Decoded {
        let key_end = HEAD + usize::from(bytes[8]);
        let malformed = key_end > length;
        let key = bytes[..length].get(HEAD..key_end).unwrap_or_default();
        let body = if malformed { length..length } else { key_end..length };
        let mut frame = Frame {
            kind: kind_of(bytes[3].into()).unwrap_or_default(),
            length,
            id: u32::from_be_bytes(bytes[4..8].try_into().expect("four")).into(),
            id_place: Some(IdPlace { offset: 4, width: IdWidth::Four, little_endian: false }),
            service: "Toy".to_owned(),
            method: String::from_utf8_lossy(key).into_owned(),
            timeout_ms: Some(40),
            status: 9,
            http_status: 200,
            fields: vec![(b"Key".to_vec(), key.to_vec())],
            attributes: vec![(":version".to_owned(), b"1".to_vec())],
            body: body.clone(),
            malformed: malformed.then(|| "a key that is too long".to_owned()),
        };
        match &bytes[body] {
            b"panic" => panic!("at a frame"),
            b"lie" => frame.length += 1000,
            b"lie-needed" => return Decoded::NeedMore { total: length },
            b"lie-id" => frame.id += 1,
            b"lie-body" => frame.body.end += 1,
            b"lie-status" => (frame.kind, frame.http_status) = (FrameKind::Response, 99),
            b"lie-attribute" => frame.attributes[0].0 = "version".to_owned(),
            _ => {}
        }
        Decoded::Frame(Box::new(frame))
    }
}

impl Codec for ToyCodec {
    fn detect(&mut self, first: &[u8]) -> Detection {
        match first {
            [] => Detection::NeedMore,
            [b'!', ..] => panic!("at the first bytes"),
            [first, ..] if *first == MAGIC => Detection::Match,
            _ => Detection::No,
        }
    }

    fn decode(&mut self, bytes: &[u8]) -> Decoded {
        if bytes[0] != MAGIC {
            return Decoded::Lost("no magic".to_owned());
        }
        if bytes.len() < HEAD {
            return Decoded::NeedMore { total: 0 };
        }
        let length = usize::from(u16::from_be_bytes([bytes[1], bytes[2]]));
        match length {
            0..HEAD => Decoded::Lost("a length of less than a head".to_owned()),
            length if length > bytes.len() => Decoded::NeedMore { total: length },
            length => Self::frame(bytes, length),
        }
    }

    fn encode(&mut self, rewrite: &Rewrite<'_>) -> Option<Vec<u8>> {
        assert!(rewrite.body != b"panic-encode", "at a frame to write");
        let [(name, key)] = rewrite.fields.as_slice() else { return None };
        let key = String::from_utf8_lossy(key);
        let id = u32::try_from(rewrite.id).ok()?;
        (*name == b"Key").then(|| toy(kind_number(rewrite.kind), id, &key, rewrite.body))
    }

    fn heartbeat(&mut self, id: u64) -> Option<Vec<u8>> {
        Some(toy(3, u32::try_from(id).ok()?, "", b""))
    }

    fn heartbeat_reply(&mut self, heartbeat: &[u8], id: u64) -> Option<Vec<u8>> {
        Some(toy(4, u32::try_from(id).ok()?, "", &heartbeat[..1]))
    }

    fn reject(&mut self, rejection: &Rejection<'_>) -> Option<Vec<u8>> {
        let fields = rejection.fields.len();
        let body = format!("{} {} {fields}", rejection.status, rejection.message);
        let id = u32::try_from(rejection.id).ok()?;
        (rejection.status != 599).then(|| toy(2, id, "", body.as_bytes()))
    }

    fn go_away(&mut self) -> Option<Vec<u8>> {
        Some(toy(5, 0, "", b""))
    }
}
