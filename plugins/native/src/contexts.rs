//! What an instance knows by number: its streams, connections and codecs.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
    rc::Rc,
};

use abi_native::number::{Refusal, Way};
use host_extension::{Connection, Signal, Stream, Subject};

use crate::callbacks::Kept;

/// All contexts of one instance. Numbers go up and are never used again.
#[derive(Debug)]
pub(crate) struct Contexts {
    known: HashMap<u64, Context, BuildHasherDefault<IdHasher>>,
    next: u64,
    open_max: usize,
}

/// One context.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) of: Of,
    /// What the plugin keeps for it; nothing where it does not serve it.
    pub(crate) kept: Option<Kept>,
    ways: [Going; 2],
}

/// What a context is for.
#[derive(Clone, Debug)]
pub(crate) enum Of {
    /// A stream.
    Stream(Rc<Stream>),
    /// A connection.
    Connection(Rc<Connection>),
    /// A codec, which knows only bytes.
    Codec,
}

/// Whether a direction goes on.
#[derive(Debug, Default)]
struct Going {
    /// The plugin said "go on" since the newest callback of this direction began.
    resumed: bool,
    /// Somebody waits for that.
    waiting: Option<Rc<Signal>>,
}

/// As many contexts as an instance may have.
#[derive(Debug)]
pub(crate) struct Full;

impl Contexts {
    pub(crate) fn new(open_max: usize) -> Self {
        Self { known: HashMap::default(), next: 1, open_max }
    }

    pub(crate) fn insert(&mut self, of: Of) -> Result<u64, Full> {
        if self.known.len() >= self.open_max {
            return Err(Full);
        }
        let id = self.next;
        self.next += 1;
        self.known.insert(id, Context { of, kept: None, ways: Default::default() });
        Ok(id)
    }

    pub(crate) fn get_mut(&mut self, id: u64) -> Option<&mut Context> {
        self.known.get_mut(&id)
    }

    pub(crate) fn get(&self, id: u64) -> Option<&Context> {
        self.known.get(&id)
    }

    pub(crate) fn remove(&mut self, id: u64) -> Option<Context> {
        self.known.remove(&id)
    }

    /// The stream of a context; that of a connection is a mistake, one that is over is not.
    pub(crate) fn stream(&self, id: u64) -> Result<Rc<Stream>, Refusal> {
        match self.get(id).map(|context| &context.of) {
            Some(Of::Stream(stream)) => Ok(Rc::clone(stream)),
            Some(Of::Connection(_) | Of::Codec) => Err(Refusal::BadArgument),
            None => Err(Refusal::NotFound),
        }
    }

    /// The connection of a context, likewise.
    pub(crate) fn connection(&self, id: u64) -> Result<Rc<Connection>, Refusal> {
        match self.get(id).map(|context| &context.of) {
            Some(Of::Connection(connection)) => Ok(Rc::clone(connection)),
            Some(Of::Stream(_) | Of::Codec) => Err(Refusal::BadArgument),
            None => Err(Refusal::NotFound),
        }
    }

    /// The signals of all who wait.
    pub(crate) fn waiting(&mut self) -> Vec<Rc<Signal>> {
        self.known
            .values_mut()
            .flat_map(|context| &mut context.ways)
            .filter_map(|way| way.waiting.take())
            .collect()
    }
}

impl Context {
    /// A callback of this direction begins.
    pub(crate) fn begin(&mut self, way: Way) {
        *self.going(way) = Going::default();
    }

    /// The plugin says that this direction goes on.
    pub(crate) fn resume(&mut self, way: Way) {
        let going = self.going(way);
        going.resumed = true;
        if let Some(signal) = going.waiting.take() {
            signal.raise();
        }
    }

    /// A signal to wait for; `None` where the plugin has already said to go on.
    pub(crate) fn pause(&mut self, way: Way) -> Option<Rc<Signal>> {
        let going = self.going(way);
        if going.resumed {
            return None;
        }
        let signal = Rc::new(Signal::default());
        going.waiting = Some(Rc::clone(&signal));
        Some(signal)
    }

    fn going(&mut self, way: Way) -> &mut Going {
        let [inwards, outwards] = &mut self.ways;
        match way {
            Way::In => inwards,
            Way::Out => outwards,
        }
    }
}

impl Of {
    /// In the words of the host.
    pub(crate) fn subject(&self) -> Subject<'_> {
        match self {
            Self::Stream(stream) => Subject::Stream(stream),
            Self::Connection(connection) => Subject::Connection(connection),
            Self::Codec => Subject::Host,
        }
    }
}

/// Spreads numbers that we give out ourselves; nobody outside can choose them.
#[derive(Debug, Default)]
struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        // Two to the 64 by the golden ratio: near numbers come far apart.
        self.0 = (self.0 ^ number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}
