//! Writing: frames that were changed, and what the proxy says by itself.

use super::{
    CodecKit, Tried,
    flaw::{Law, Wrong, guarded},
    read::{self, End},
};
use crate::{Codec, Frame, FrameKind, Rejection, Rewrite};

/// The statuses that are rejected with.
const STATUSES: [u16; 14] = [200, 204, 302, 400, 401, 403, 404, 408, 413, 429, 500, 502, 503, 504];

type Field<'a> = (&'a [u8], &'a [u8]);

/// All that is written of one frame.
pub(super) fn frame(
    kit: &CodecKit,
    codec: &mut dyn Codec,
    frame: &Frame,
    raw: &[u8],
    tried: &mut Tried,
) -> Result<(), Wrong> {
    match frame.kind {
        FrameKind::Heartbeat => return answered(kit, codec, raw, frame.id).map(drop),
        FrameKind::HeartbeatReply | FrameKind::GoAway => return Ok(()),
        FrameKind::Request if frame.malformed.is_some() => {
            return rejected(kit, codec, frame, raw, tried);
        }
        FrameKind::Request | FrameKind::OneWay | FrameKind::Response => {}
    }
    if frame.malformed.is_some() {
        return Ok(());
    }
    unchanged(kit, codec, frame, raw)?;
    tried.written += 1;
    ids(kit, codec, frame, raw)?;
    fields(kit, codec, frame, raw, tried)?;
    bodies(kit, codec, frame, raw, tried)?;
    if frame.kind == FrameKind::Request { rejected(kit, codec, frame, raw, tried) } else { Ok(()) }
}

/// A frame that nobody changed, of whatever bytes; those of a proxy's own kinds are answered.
pub(super) fn unchanged(
    kit: &CodecKit,
    codec: &mut dyn Codec,
    frame: &Frame,
    raw: &[u8],
) -> Result<(), Wrong> {
    match frame.kind {
        FrameKind::Heartbeat => return answered(kit, codec, raw, frame.id).map(drop),
        FrameKind::HeartbeatReply | FrameKind::GoAway => return Ok(()),
        FrameKind::Request if frame.malformed.is_some() => {
            let rejection = rejection(raw, frame.id, 400);
            return one_rejection(kit, codec, &rejection).map(drop);
        }
        FrameKind::Request | FrameKind::OneWay | FrameKind::Response => {}
    }
    if frame.malformed.is_some() {
        return Ok(());
    }
    let fields = named(frame);
    let rewrite = Rewrite { fields, ..rewrite(frame, raw, frame.id) };
    let Some(bytes) = guarded("encode", || codec.encode(&rewrite))? else {
        return Err(Wrong::new(Law::Write, "an unchanged frame cannot be written").with(raw));
    };
    let again = single(kit, &bytes, "the unchanged frame", Law::Write)?;
    match told(frame, raw, &again, &bytes) {
        None => Ok(()),
        Some(what) => Err(Wrong::new(Law::Write, format!("unchanged, {what}")).with(&bytes)),
    }
}

/// Other ids, encoded and patched.
fn ids(kit: &CodecKit, codec: &mut dyn Codec, frame: &Frame, raw: &[u8]) -> Result<(), Wrong> {
    let max = read::id_max(kit.profile.id_width);
    for id in [1, 0x0102_0304, max - 1, max] {
        let rewrite = rewrite(frame, raw, id);
        let Some(bytes) = guarded("encode", || codec.encode(&rewrite))? else {
            let what = format!("the frame cannot be written with the id {id}");
            return Err(Wrong::new(Law::Write, what).with(raw));
        };
        let law = if frame.id_place.is_some() { Law::Patch } else { Law::Write };
        let encoded = single(kit, &bytes, "the frame with another id", Law::Write)?;
        let expected = Frame { id, ..frame.clone() };
        if let Some(what) = told(&expected, raw, &encoded, &bytes) {
            let what = format!("encoded with the id {id}, {what}");
            return Err(Wrong::new(Law::Write, what).with(&bytes));
        }
        let Some(place) = frame.id_place else { continue };
        let Some(patched) = read::patched(raw, place, id) else { continue };
        let again = single(kit, &patched, "the frame with an id in its place", law)?;
        if let Some(what) = told(&encoded, &bytes, &again, &patched) {
            let what = format!("with the id {id} in its place, {what}");
            return Err(Wrong::new(law, what).with(&patched));
        }
    }
    Ok(())
}

/// Fields that were changed: they are read as they were written, or are refused.
fn fields(
    kit: &CodecKit,
    codec: &mut dyn Codec,
    frame: &Frame,
    raw: &[u8],
    tried: &mut Tried,
) -> Result<(), Wrong> {
    let own = named(frame);
    let long = vec![b'v'; 70_000];
    let with = |more: &[Field<'static>]| [own.clone(), more.to_vec()].concat();
    let replaced = own.iter().map(|(name, _value)| (*name, &b"replaced"[..])).collect();
    let mut changes: Vec<(&str, Vec<Field<'_>>)> = vec![
        ("one more field", with(&[(b"x-kit", b"tried")])),
        ("an empty value", with(&[(b"x-kit", b"")])),
        ("two of one name", with(&[(b"x-kit", b"one"), (b"x-kit", b"two")])),
        ("bytes that are no text", with(&[(b"x-kit\xff\x00", b"\x80\x00\xfe")])),
        ("every value replaced", replaced),
        ("no first field", own.iter().skip(1).copied().collect()),
        ("no fields", Vec::new()),
    ];
    let mut longer = own.clone();
    longer.push((b"x-kit", &long));
    changes.push(("a value of 70000 bytes", longer));
    let mut many = own.clone();
    many.extend(std::iter::repeat_n((&b"x-kit"[..], &b"1"[..]), 70_000));
    changes.push(("70000 fields more", many));
    for (what, fields) in changes {
        let mut rewrite = Rewrite { fields_changed: true, ..rewrite(frame, raw, frame.id) };
        rewrite.fields = fields;
        let Some(bytes) = guarded("encode", || codec.encode(&rewrite))? else {
            tried.fields_refused += 1;
            continue;
        };
        // What a frame must have may be missing now; then it is malformed, and no lie.
        let again = single(kit, &bytes, what, Law::Write)?;
        tried.written += 1;
        if again.malformed.is_some() {
            continue;
        }
        let body = body(frame, raw);
        let found = named(&again);
        let wrong = if found != rewrite.fields {
            format!("fields {} are read as {}", shown(&rewrite.fields), shown(&found))
        } else if self::body(&again, &bytes) != body || again.id != frame.id {
            "the body or the id is another".to_owned()
        } else {
            continue;
        };
        return Err(Wrong::new(Law::Write, format!("{what}: {wrong}")).with(&bytes));
    }
    Ok(())
}

/// Bodies that were changed.
fn bodies(
    kit: &CodecKit,
    codec: &mut dyn Codec,
    frame: &Frame,
    raw: &[u8],
    tried: &mut Tried,
) -> Result<(), Wrong> {
    let twice = [body(frame, raw), body(frame, raw), b"!"].concat();
    let long = vec![b'b'; 70_000];
    for changed in [&b""[..], b"tried", &twice, &long] {
        let mut rewrite = Rewrite { body_changed: true, ..rewrite(frame, raw, frame.id) };
        rewrite.body = changed;
        let Some(bytes) = guarded("encode", || codec.encode(&rewrite))? else {
            tried.bodies_refused += 1;
            continue;
        };
        let what = format!("a body of {} bytes", changed.len());
        // Where a body says more than itself, one that is made up may be malformed.
        let again = single(kit, &bytes, &what, Law::Write)?;
        tried.written += 1;
        if again.malformed.is_some() {
            continue;
        }
        let read = body(&again, &bytes).len();
        let wrong = if body(&again, &bytes) != changed {
            format!("{what} is read as {read} others")
        } else if named(&again) != named(frame) || again.id != frame.id {
            format!("{what}: the fields or the id are others")
        } else {
            continue;
        };
        return Err(Wrong::new(Law::Write, wrong).with(&bytes));
    }
    Ok(())
}

fn rejected(
    kit: &CodecKit,
    codec: &mut dyn Codec,
    frame: &Frame,
    raw: &[u8],
    tried: &mut Tried,
) -> Result<(), Wrong> {
    for status in STATUSES {
        let plain = rejection(raw, frame.id, status);
        let fields: Vec<Field<'_>> = vec![(b"x-kit", b"tried")];
        let full = Rejection { fields, body: b"a body", ..plain.clone() };
        for rejection in [plain, full] {
            if !one_rejection(kit, codec, &rejection)? {
                tried.rejections_refused += 1;
            }
        }
    }
    Ok(())
}

/// True where an error is told as a success or the other way round. A redirect may be either:
/// most protocols have none.
fn is_told_otherwise(status: u16, told: u16) -> bool {
    match status {
        400.. => told < 400,
        300..400 => false,
        _ => told >= 400,
    }
}

/// False where the codec has no words for it.
fn one_rejection(
    kit: &CodecKit,
    codec: &mut dyn Codec,
    rejection: &Rejection<'_>,
) -> Result<bool, Wrong> {
    let Some(bytes) = guarded("reject", || codec.reject(rejection))? else { return Ok(false) };
    let status = rejection.status;
    let what = format!("the rejection with status {status}");
    let reply = single(kit, &bytes, &what, Law::Reject)?;
    let wrong = if reply.kind != FrameKind::Response {
        format!("{what} is a {:?}", reply.kind)
    } else if reply.id != rejection.id {
        format!("{what} bears the id {} for {}", reply.id, rejection.id)
    } else if let Some(why) = reply.malformed {
        format!("{what} is malformed: {why}")
    } else if is_told_otherwise(status, reply.http_status) {
        format!("{what} is read as one with {}", reply.http_status)
    } else {
        return Ok(true);
    };
    Err(Wrong::new(Law::Reject, wrong).with(&bytes))
}

/// What the proxy says without a frame before it.
pub(super) fn by_itself(kit: &CodecKit) -> Result<(), Wrong> {
    let mut codec = kit.codec();
    let codec = &mut *codec;
    if kit.profile.heartbeats {
        for id in [1, read::id_max(kit.profile.id_width)] {
            heartbeat(kit, codec, id)?;
        }
    }
    if !kit.profile.go_away {
        return Ok(());
    }
    let Some(bytes) = guarded("go_away", || codec.go_away())? else {
        let what = "the profile says that there is a go-away frame, and there is none";
        return Err(Wrong::new(Law::GoAway, what));
    };
    let frame = single(kit, &bytes, "the go-away frame", Law::GoAway)?;
    if frame.kind == FrameKind::GoAway && frame.malformed.is_none() {
        return Ok(());
    }
    Err(Wrong::new(Law::GoAway, format!("it is read as {frame:?}")).with(&bytes))
}

fn heartbeat(kit: &CodecKit, codec: &mut dyn Codec, id: u64) -> Result<(), Wrong> {
    let Some(bytes) = guarded("heartbeat", || codec.heartbeat(id))? else {
        let what = "the profile says that there are heartbeats, and there are none";
        return Err(Wrong::new(Law::Heartbeat, what));
    };
    let frame = single(kit, &bytes, "a heartbeat", Law::Heartbeat)?;
    if frame.kind != FrameKind::Heartbeat || frame.id != id || frame.malformed.is_some() {
        let what = format!("a heartbeat with the id {id} is read as {frame:?}");
        return Err(Wrong::new(Law::Heartbeat, what).with(&bytes));
    }
    if answered(kit, codec, &bytes, id)? {
        return Ok(());
    }
    Err(Wrong::new(Law::Heartbeat, "an own heartbeat has no reply").with(&bytes))
}

/// The reply to a heartbeat; false where there is none.
fn answered(kit: &CodecKit, codec: &mut dyn Codec, raw: &[u8], id: u64) -> Result<bool, Wrong> {
    let reply = guarded("heartbeat_reply", || codec.heartbeat_reply(raw, id))?;
    let Some(bytes) = reply else { return Ok(false) };
    let frame = single(kit, &bytes, "the reply to a heartbeat", Law::Heartbeat)?;
    if frame.kind == FrameKind::HeartbeatReply && frame.id == id && frame.malformed.is_none() {
        return Ok(true);
    }
    let what = format!("the reply to the heartbeat {id} is read as {frame:?}");
    Err(Wrong::new(Law::Heartbeat, what).with(&bytes))
}

/// The one frame that some written bytes are.
fn single(kit: &CodecKit, bytes: &[u8], what: &str, law: Law) -> Result<Frame, Wrong> {
    let seen = kit.read(&mut *kit.codec(), bytes).map_err(|wrong| wrong.after(what).with(bytes))?;
    let (count, end) = (seen.frames.len(), seen.end);
    match seen.frames.into_iter().next() {
        Some((_start, frame)) if count == 1 && end == End::Whole => Ok(frame),
        _ => {
            let what = format!("{what}: {} bytes are read as {count} frames, {end:?}", bytes.len());
            Err(Wrong::new(law, what).with(bytes))
        }
    }
}

/// What two frames say differently, their bytes apart.
fn told(one: &Frame, one_raw: &[u8], other: &Frame, other_raw: &[u8]) -> Option<String> {
    let differs = |what: &str, one: &dyn std::fmt::Debug, other: &dyn std::fmt::Debug| {
        Some(format!("{what} {one:?} is read as {other:?}"))
    };
    if one.kind != other.kind {
        differs("the kind", &one.kind, &other.kind)
    } else if one.id != other.id {
        differs("the id", &one.id, &other.id)
    } else if (&one.service, &one.method) != (&other.service, &other.method) {
        differs("the service", &(&one.service, &one.method), &(&other.service, &other.method))
    } else if one.timeout_ms != other.timeout_ms {
        differs("the timeout", &one.timeout_ms, &other.timeout_ms)
    } else if (one.status, one.http_status) != (other.status, other.http_status) {
        differs("the status", &one.status, &other.status)
    } else if one.fields != other.fields {
        let (one, other) = (shown(&named(one)), shown(&named(other)));
        Some(format!("fields {one} are read as {other}"))
    } else if one.attributes != other.attributes {
        differs("the attributes", &one.attributes, &other.attributes)
    } else if body(one, one_raw) != body(other, other_raw) {
        differs("the body at", &one.body, &other.body)
    } else if one.malformed != other.malformed {
        differs("what is malformed", &one.malformed, &other.malformed)
    } else {
        None
    }
}

fn rewrite<'a>(frame: &'a Frame, raw: &'a [u8], id: u64) -> Rewrite<'a> {
    Rewrite {
        raw,
        kind: frame.kind,
        old_id: frame.id,
        id,
        fields: named(frame),
        fields_changed: false,
        body: body(frame, raw),
        body_changed: false,
    }
}

fn rejection(request: &[u8], id: u64, status: u16) -> Rejection<'_> {
    Rejection { request, id, status, message: "tried by the kit", fields: Vec::new(), body: b"" }
}

fn named(frame: &Frame) -> Vec<Field<'_>> {
    frame.fields.iter().map(|(name, value)| (&name[..], &value[..])).collect()
}

fn body<'a>(frame: &Frame, raw: &'a [u8]) -> &'a [u8] {
    raw.get(frame.body.clone()).unwrap_or_default()
}

fn shown(fields: &[Field<'_>]) -> String {
    const FIELDS_MAX: usize = 8;
    const BYTES_MAX: usize = 40;
    let text = |bytes: &[u8]| match bytes.get(..BYTES_MAX) {
        None => format!("{:?}", String::from_utf8_lossy(bytes)),
        Some(start) => format!("{:?}.. ({} bytes)", String::from_utf8_lossy(start), bytes.len()),
    };
    let list = fields.iter().take(FIELDS_MAX);
    let list: Vec<String> = list.map(|(n, v)| format!("{}: {}", text(n), text(v))).collect();
    let more = if fields.len() > FIELDS_MAX { ", ..." } else { "" };
    format!("({}) {{{}{more}}}", fields.len(), list.join(", "))
}
