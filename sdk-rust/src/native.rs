//! The export as a native library: the C table and the abi_stable module, over `abi-native`.
//!
//! Nothing here is unsafe: `abi-native` makes the functions of the table and catches panics. It
//! lends each callback its calls, which `calls` offers as a [`Backend`](crate::backend::Backend).
//!
//! A program that has a plugin compiled in makes a table of it with
//! [`entry_of!`](crate::native_entry_of), which exports nothing.

mod calls;
mod codec;

use std::marker::PhantomData;

pub use abi_native::guest::{entry, mark};
use abi_native::{
    guest::{About, Answer, Calls, CodecEvent, ConnectionEvent, Event, Guest, StreamEvent},
    number,
    table::CodecProfile,
};
pub use abi_native::{
    module::header,
    number::Kind,
    table::{Abi, Entry, Host as HostTable, Plugin as PluginTable},
};

/// abi_stable's header, for the macro.
pub use abi_native::module::LibHeader;

use self::calls::NativeHost;
use crate::{
    Action, CallFailure, CallId, Codec, Connection, Flow, FlowAction, Host, HostError, HttpAnswer,
    NetworkFilter, Peer, QueueId, Response, Side, Stream, StreamFilter,
    backend::{Backend, Declaration, Instance, sendable},
};

#[doc(inline)]
pub use crate::native_entry_of as entry_of;

/// Something that knows what an artifact holds. The macros make one.
pub trait Declared: 'static {
    /// What it holds.
    const DECLARATION: &'static Declaration;
}

/// A started plugin of a declaration.
#[expect(missing_debug_implementations, reason = "what it holds is the author's")]
pub struct Native<D> {
    instance: Box<dyn Instance>,
    declared: PhantomData<D>,
}

impl<D: Declared> Guest for Native<D> {
    type Stream = Box<dyn StreamFilter>;
    type Connection = Box<dyn NetworkFilter>;
    type Codec = Box<dyn Codec>;

    const ABOUT: About = About {
        name: D::DECLARATION.name,
        version: D::DECLARATION.version,
        sdk: concat!("mortise-sdk ", env!("CARGO_PKG_VERSION")),
        phases: D::DECLARATION.phases().bits() as u32,
    };

    fn start(
        calls: &Calls,
        root_id: &str,
        config: &[u8],
        phases: &mut u32,
    ) -> Result<Self, String> {
        let started = D::DECLARATION.find(root_id).and_then(|registration| {
            let instance = (registration.start)(config, &Host::new(&NativeHost(calls)))?;
            *phases = registration.phases.bits().into();
            Ok(instance)
        });
        let instance = started.map_err(|refusal| refusal.to_string())?;
        Ok(Self { instance, declared: PhantomData })
    }

    fn stream(&mut self, calls: &Calls, _context: u64) -> Option<Self::Stream> {
        self.instance.stream_filter(&Host::new(&NativeHost(calls)))
    }

    fn on_stream(
        &mut self,
        calls: &Calls,
        filter: &mut Self::Stream,
        context: u64,
        event: StreamEvent,
    ) -> number::Action {
        let host = NativeHost(calls);
        let stream = &Stream::new(&host, context);
        let action = match event {
            StreamEvent::Headers(number::Way::In, end) => filter.on_request_headers(stream, end),
            StreamEvent::Headers(number::Way::Out, end) => filter.on_response_headers(stream, end),
            StreamEvent::Body(number::Way::In, end) => filter.on_request_body(stream, end),
            StreamEvent::Body(number::Way::Out, end) => filter.on_response_body(stream, end),
            StreamEvent::Trailers(number::Way::In) => filter.on_request_trailers(stream),
            StreamEvent::Trailers(number::Way::Out) => filter.on_response_trailers(stream),
            StreamEvent::Complete => {
                filter.on_complete(stream);
                Action::Continue
            }
            StreamEvent::HttpAnswer(call, came) => {
                filter.on_http_answer(stream, CallId(call), answer(came));
                Action::Continue
            }
        };
        settle(&host, context, action)
    }

    fn connection(&mut self, calls: &Calls, _context: u64) -> Option<Self::Connection> {
        self.instance.network_filter(&Host::new(&NativeHost(calls)))
    }

    fn on_connection(
        &mut self,
        calls: &Calls,
        filter: &mut Self::Connection,
        context: u64,
        event: ConnectionEvent,
    ) -> number::Action {
        let host = NativeHost(calls);
        let connection = &Connection::new(&host, context);
        let action = match event {
            ConnectionEvent::New => filter.on_new_connection(connection),
            ConnectionEvent::Data(way, end) => filter.on_data(connection, flow(way), end),
            ConnectionEvent::Close(way, by) => {
                filter.on_close(connection, flow(way), peer(by));
                FlowAction::Continue
            }
            ConnectionEvent::Complete => {
                filter.on_complete(connection);
                FlowAction::Continue
            }
            ConnectionEvent::HttpAnswer(call, came) => {
                filter.on_http_answer(connection, CallId(call), answer(came));
                FlowAction::Continue
            }
        };
        match action {
            FlowAction::Continue => number::Action::Continue,
            FlowAction::Pause => number::Action::Pause,
            FlowAction::Close => number::Action::Reset,
        }
    }

    fn codec_profile(&mut self, profile: &mut CodecProfile) {
        codec::tell_profile(self.instance.codec_profile(), profile);
    }

    fn codec(&mut self, calls: &Calls, _context: u64) -> Option<Self::Codec> {
        self.instance.codec(&Host::new(&NativeHost(calls)))
    }

    fn on_codec(
        &mut self,
        calls: &Calls,
        codec: &mut Self::Codec,
        event: CodecEvent<'_>,
    ) -> number::Action {
        codec::on_event(calls, codec.as_mut(), event);
        number::Action::Continue
    }

    fn on_event(&mut self, calls: &Calls, event: Event) {
        let host = NativeHost(calls);
        let host = &Host::new(&host);
        match event {
            Event::Tick => self.instance.on_tick(host),
            Event::QueueReady(queue) => self.instance.on_queue_ready(host, QueueId(queue)),
            Event::HttpAnswer(call, came) => {
                self.instance.on_http_answer(host, CallId(call), answer(came));
            }
        }
    }
}

fn settle(host: &NativeHost<'_>, context: u64, action: Action) -> number::Action {
    match action {
        Action::Continue => number::Action::Continue,
        Action::Pause => number::Action::Pause,
        Action::Respond(response) => {
            let response = sendable(response);
            match host.respond(context, &response) {
                // Who may not answer may not answer with less either; the host knows of it.
                Ok(()) | Err(HostError::Denied) => {}
                // A plugin that wants to end a request must not fail over how; where not even
                // that can be said, the host has its own word for it.
                Err(_refused) => host.respond(context, &Response::new(500)).unwrap_or_default(),
            }
            number::Action::Respond
        }
        Action::Reset => number::Action::Reset,
    }
}

fn answer(came: Option<Answer>) -> Result<HttpAnswer, CallFailure> {
    let Answer { headers, body, trailers } = came.ok_or(CallFailure)?;
    Ok(HttpAnswer { headers: crate::Fields(headers), body, trailers: crate::Fields(trailers) })
}

fn flow(way: number::Way) -> Flow {
    match way {
        number::Way::In => Flow::Downstream,
        number::Way::Out => Flow::Upstream,
    }
}

fn side(side: Side) -> number::Way {
    match side {
        Side::Request => number::Way::In,
        Side::Response => number::Way::Out,
    }
}

fn peer(by: number::Peer) -> Peer {
    match by {
        number::Peer::Unknown => Peer::Unknown,
        number::Peer::Local => Peer::Local,
        number::Peer::Remote => Peer::Remote,
    }
}

/// The entry of a plugin that is compiled into a program: give it the path of the function that
/// `plugin!` made. Exports nothing, so that one program can have several.
#[doc(hidden)]
#[macro_export]
macro_rules! native_entry_of {
    ($declaration:path) => {{
        struct Exported;
        impl $crate::native::Declared for Exported {
            const DECLARATION: &'static $crate::backend::Declaration = $declaration();
        }
        let entry: $crate::native::Entry =
            $crate::native::entry::<$crate::native::Native<Exported>>;
        entry
    }};
}

/// The exports of a native library.
#[cfg(feature = "native")]
#[doc(hidden)]
#[macro_export]
macro_rules! __export_native {
    () => {
        const _: () = {
            struct Exported;
            impl $crate::native::Declared for Exported {
                const DECLARATION: &'static $crate::backend::Declaration = mortise_plugin();
            }
            type Guest = $crate::native::Native<Exported>;

            #[unsafe(no_mangle)]
            #[used]
            pub static mortise_plugin_abi: $crate::native::Abi =
                $crate::native::mark($crate::native::Kind::Rust);

            #[unsafe(no_mangle)]
            pub unsafe extern "C" fn mortise_plugin_entry(
                host: *const $crate::native::HostTable,
            ) -> *const $crate::native::PluginTable {
                // SAFETY: what the host promises here is what the function behind wants.
                unsafe { $crate::native::entry::<Guest>(host) }
            }

            // The name by which abi_stable looks for a module.
            #[unsafe(no_mangle)]
            pub static _1as_0lib_1header_0root_bmodule_bloader: $crate::native::LibHeader =
                $crate::native::header::<Guest>();
        };
    };
}
