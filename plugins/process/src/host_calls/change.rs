//! Changes of a stream or connection, and what a child does to one outside an exchange.

use abi_process::v1;
use host_extension::{
    CallError, CallResult, Capability, Connection, FieldWrite, Flow, Side, Stream,
};

use super::{Asker, property, reply, section_of};
use crate::session::{Context, Dir};

/// What came of changes of the bytes in hand.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Changed {
    touched: [bool; 2],
    failed: [bool; 2],
}

impl Changed {
    /// True where bytes of this direction were to be changed.
    pub(crate) fn touches(self, dir: Dir) -> bool {
        at(self.touched, dir)
    }

    /// True where one of these changes was not made.
    pub(crate) fn failed(self, dir: Dir) -> bool {
        at(self.failed, dir)
    }

    fn note(&mut self, dir: Dir, failed: bool) {
        let index = usize::from(dir == Dir::Out);
        if let (Some(touched), Some(any)) =
            (self.touched.get_mut(index), self.failed.get_mut(index))
        {
            *touched = true;
            *any |= failed;
        }
    }
}

fn at([inwards, outwards]: [bool; 2], dir: Dir) -> bool {
    match dir {
        Dir::In => inwards,
        Dir::Out => outwards,
    }
}

/// Carries changes out in their order. One that is refused leaves out nothing but itself; the
/// guard has counted what it denied.
pub(crate) fn change_all(context: &Context, changes: Vec<v1::Change>) {
    let mut changed = Changed::default();
    for change in changes {
        let Some(kind) = change.kind else { continue };
        if let Err(error) = carry_out(context, kind, &mut changed) {
            let plugin = context.instance.plugin();
            tracing::debug!(plugin, context = context.id, %error, "a change was not made");
        }
    }
    context.note_changed(changed);
}

/// Carries one change out of which the child wants to know what came of it.
pub(super) fn change(context: &Context, change: v1::Change) -> CallResult<()> {
    let kind = change.kind.ok_or(CallError::Unsupported)?;
    let mut changed = Changed::default();
    let made = carry_out(context, kind, &mut changed);
    // The child believes nothing else than what it is told.
    changed.failed = [false; 2];
    context.note_changed(changed);
    made
}

fn carry_out(context: &Context, kind: v1::change::Kind, changed: &mut Changed) -> CallResult<()> {
    use v1::change::Kind;
    match kind {
        Kind::Set(it) => write(context, it.section(), FieldWrite::Replace(&it.name, &it.value)),
        Kind::Add(it) => write(context, it.section(), FieldWrite::Add(&it.name, &it.value)),
        Kind::Remove(it) => write(context, it.section(), FieldWrite::Remove(&it.name)),
        Kind::Replace(it) => {
            let pairs: Vec<_> = it.fields.iter().map(|it| (&*it.name, &*it.value)).collect();
            write(context, it.section(), FieldWrite::SetAll(&pairs))
        }
        Kind::Body(splice) => {
            let (dir, side) = match splice.direction {
                0 => (Dir::In, Side::Request),
                1 => (Dir::Out, Side::Response),
                _ => return Err(CallError::BadArgument),
            };
            let (start, length) = (wide(splice.start), wide(splice.length));
            let calls = context.instance.calls();
            let written = stream_of(context)
                .and_then(|stream| calls.write_body(stream, side, start, length, &splice.bytes));
            changed.note(dir, written.is_err());
            written
        }
        Kind::Data(splice) => {
            let (dir, flow) = match splice.direction {
                0 => (Dir::In, Flow::Downstream),
                1 => (Dir::Out, Flow::Upstream),
                _ => return Err(CallError::BadArgument),
            };
            let (start, length) = (wide(splice.start), wide(splice.length));
            let calls = context.instance.calls();
            let written = connection_of(context).and_then(|connection| {
                calls.write_data(connection, flow, start, length, &splice.bytes)
            });
            changed.note(dir, written.is_err());
            written
        }
        Kind::Property(set) => {
            let instance = &context.instance;
            let asker = Asker {
                calls: instance.calls(),
                link: instance.link(),
                spec: &instance.spec,
                context: Some(context),
                instance: Some(instance),
            };
            property::write(&asker, &set)
        }
    }
}

fn write(context: &Context, section: v1::Section, write: FieldWrite<'_>) -> CallResult<()> {
    let calls = context.instance.calls();
    calls.write_header(stream_of(context)?, section_of(section), write)
}

fn stream_of(context: &Context) -> CallResult<&Stream> {
    context.stream().map(|stream| &**stream).ok_or(CallError::BadArgument)
}

fn connection_of(context: &Context) -> CallResult<&Connection> {
    context.connection().map(|connection| &**connection).ok_or(CallError::BadArgument)
}

/// Answers the client from beside the hooks of its stream.
pub(crate) fn respond(context: &Context, response: v1::Response) {
    let instance = &context.instance;
    let plugin = instance.plugin();
    let answered = context.stream().ok_or(CallError::BadArgument).and_then(|stream| {
        let reply = reply::local_reply(instance, response);
        let reply = reply.map_err(|_no_status| CallError::BadArgument)?;
        instance.calls().respond(stream, plugin, reply)
    });
    if let Err(error) = answered {
        tracing::debug!(plugin, context = context.id, %error, "a client was not answered");
        fail_denied(context, Capability::Reply, error);
    }
}

/// Breaks a stream off, or closes a connection, from beside its hooks.
pub(crate) fn close(context: &Context) {
    let calls = context.instance.calls();
    let plugin = context.instance.plugin();
    let closed = match (context.stream(), context.connection()) {
        (Some(stream), _) => calls.reset(stream, plugin),
        (None, Some(connection)) => calls.close(connection, plugin),
        (None, None) => Ok(()),
    };
    if let Err(error) = closed {
        tracing::debug!(plugin, context = context.id, %error, "nothing was broken off");
        fail_denied(context, Capability::Close, error);
    }
}

/// The child believes the stream ended, and would let it wait for ever.
fn fail_denied(context: &Context, what: Capability, error: CallError) {
    if error == CallError::Denied {
        context.fail(&context.instance.denied(what));
    }
}

/// Places that no machine can count to are behind the end of everything.
fn wide(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
