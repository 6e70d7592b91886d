//! What a codec is asked: any number of exchanges at a time, each with its own answer.
//!
//! The codec of a connection is a context as a stream is. It has one `decode` or `detect` under way
//! at most, since the pipeline waits for it, and writes frames meanwhile. An exchange ends with its
//! answer, with its time, or with the child.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc, time::Duration};

use abi_process::v1::{self, codec_answer::Kind};
use host_extension::{CodecProfile, FaultKind, PluginFault, PoolMode};
use host_types::IdWidth;
use tokio::sync::oneshot;

use super::{Context, Instance, context::Door};

/// Exchanges of one codec that may be under way.
const ASKED_MAX: usize = 4096;

/// The exchanges of one context that wait for their answers.
#[derive(Debug, Default)]
pub(super) struct Asked(RefCell<BTreeMap<u64, Waiter>>);

/// Who waits for an answer.
type Waiter = oneshot::Sender<Result<Kind, PluginFault>>;

impl Asked {
    /// True while the child owes the answer to this exchange.
    pub(super) fn awaits(&self, exchange: u64) -> bool {
        self.0.borrow().contains_key(&exchange)
    }

    /// Ends an exchange. False where nobody waits any more.
    pub(super) fn answer(&self, exchange: u64, answer: Result<Kind, PluginFault>) -> bool {
        let waiter = self.0.borrow_mut().remove(&exchange);
        waiter.is_some_and(|waiter| waiter.send(answer).is_ok())
    }

    /// All who wait hear of a fault.
    pub(super) fn fail(&self, fault: &PluginFault) {
        for waiter in self.0.take().into_values() {
            // Who is gone needs no telling.
            drop(waiter.send(Err(fault.clone())));
        }
    }

    /// Nobody waits any more.
    pub(super) fn forget(&self) {
        self.0.take();
    }
}

impl Context {
    /// Asks the child something of a codec. `event` makes it of the numbers of the context and of
    /// the exchange.
    ///
    /// # Errors
    /// The child did not answer in time, is gone, or says that the instance failed.
    pub(crate) async fn ask_codec(
        self: Rc<Self>,
        call: &'static str,
        event: impl FnOnce(u64, u64) -> v1::event::Kind,
    ) -> Result<Kind, PluginFault> {
        match self.door() {
            Door::Open => {}
            Door::Shut(fault) => return Err(fault),
            Door::Soon => self.until_open().await?,
        }
        let answered = self.begin_codec(call, event)?;
        // Nobody who asks hears nothing but where the codec ended meanwhile.
        answered.await.unwrap_or_else(|_dropped| Err(self.instance.lost()))
    }

    /// True where nothing that it is asked will ever be answered.
    pub(crate) fn is_shut(&self) -> bool {
        matches!(self.door(), Door::Shut(_))
    }

    fn begin_codec(
        self: &Rc<Self>,
        call: &'static str,
        event: impl FnOnce(u64, u64) -> v1::event::Kind,
    ) -> Result<oneshot::Receiver<Result<Kind, PluginFault>>, PluginFault> {
        if self.is_over() {
            let message =
                format!("a codec of plugin `{}` was asked past its end", self.instance.plugin());
            return Err(PluginFault::new(FaultKind::InstanceLost, message));
        }
        if self.asked.0.borrow().len() >= ASKED_MAX {
            let plugin = self.instance.plugin();
            let message = format!("plugin `{plugin}` owes {ASKED_MAX} answers of one codec");
            return Err(PluginFault::new(FaultKind::TimedOut, message));
        }
        let session = self.instance.session();
        self.open()?;
        let exchange = session.number();
        session.ask(self, call, event(self.id, exchange))?;
        let (waiter, answered) = oneshot::channel();
        self.asked.0.borrow_mut().insert(exchange, waiter);
        session.expect(self, None, exchange, call);
        Ok(answered)
    }
}

impl Instance {
    /// The child said what cannot be, which ends the connection that it is of; `what` ends a
    /// sentence that begins with the plugin. Connections beside it go on: a client that brings a
    /// codec to a lie must not end the others. New ones get a fresh instance, as after any fault.
    pub(crate) fn lied(&self, call: &str, what: &str) -> PluginFault {
        let plugin = self.plugin();
        let message = format!("plugin `{plugin}` broke the rules in `{call}`: it {what}");
        PluginFault::new(FaultKind::Protocol, message)
    }
}

/// What a child says of its protocol.
///
/// # Errors
/// It cannot be; why.
pub(super) fn profile_of(told: v1::CodecProfile) -> Result<CodecProfile, String> {
    let pool = match told.pool() {
        v1::PoolMode::Multiplexed => PoolMode::Multiplexed,
        v1::PoolMode::PingPong => PoolMode::PingPong,
        v1::PoolMode::Bound => PoolMode::Bound,
    };
    let id_width = match told.id_width {
        0 | 4 => IdWidth::Four,
        8 => IdWidth::Eight,
        other => return Err(format!("an id has 4 bytes or 8, not {other}")),
    };
    let timeout = u64::from(told.default_timeout_ms);
    Ok(CodecProfile {
        pool,
        id_width,
        heartbeats: told.heartbeats,
        go_away: told.go_away,
        default_timeout: (timeout > 0).then(|| Duration::from_millis(timeout)),
    })
}

/// Why a plugin that says nothing of a protocol is no codec.
pub(super) const NO_CODEC: &str = "it serves no protocol: it did not say what holds of one";
