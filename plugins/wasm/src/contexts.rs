//! What a guest knows by number: its roots, and their streams and connections.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
    rc::Rc,
};

use host_extension::{Connection, Flow, Side, Signal, Stream, Subject};

use crate::roots::Root;

/// The number of the first root.
pub(crate) const FIRST: u32 = 1;

/// All contexts of one guest.
#[derive(Debug)]
pub(crate) struct Contexts {
    known: HashMap<u32, Context, BuildHasherDefault<IdHasher>>,
    next: u32,
    /// How many streams and connections are among them, and how many there may be.
    open: usize,
    open_max: usize,
}

/// One context as the guest sees it.
#[derive(Debug)]
pub(crate) struct Context {
    /// The root that it belongs to, which is itself for a root's own.
    pub(crate) root: Rc<Root>,
    /// What it is for.
    pub(crate) of: Of,
    ways: [Going; 2],
}

/// What a context is for.
#[derive(Clone, Debug)]
pub(crate) enum Of {
    /// A use of a plugin.
    Root,
    /// A stream.
    Stream(Rc<Stream>),
    /// A connection.
    Connection(Rc<Connection>),
    /// A connection whose frames it reads, or one message of it.
    Codec,
}

/// A direction of a stream or connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Way {
    /// Towards the upstream.
    In,
    /// Back.
    Out,
}

/// Whether a direction goes on.
#[derive(Debug, Default)]
struct Going {
    /// The guest said "go on" since the newest callback of this direction began.
    resumed: bool,
    /// It was not let end the message since then, in which there is nothing to wait for.
    refused: bool,
    /// Somebody waits for that.
    waiting: Option<Rc<Signal>>,
}

/// What a pause comes to.
#[derive(Debug)]
pub(crate) enum Pause {
    /// The guest has already said to go on.
    Over,
    /// It was not let end the message, so that nobody would ever say to go on.
    Vain,
    /// It lasts until this is raised.
    Until(Rc<Signal>),
}

/// As many contexts as a guest may have.
#[derive(Debug)]
pub(crate) struct Full;

impl Contexts {
    pub(crate) fn new(open_max: usize) -> Self {
        Self { known: HashMap::default(), next: FIRST, open: 0, open_max }
    }

    /// A number that nothing has. Numbers go up and come again only after four billion, so
    /// that a late call for a stream that is gone does not meet another one.
    pub(crate) fn number(&mut self) -> u32 {
        // Far fewer than all numbers are taken, so a free one is found.
        while self.next < FIRST || self.known.contains_key(&self.next) {
            self.next = self.next.wrapping_add(1);
        }
        let id = self.next;
        self.next = self.next.wrapping_add(1);
        id
    }

    /// Adds a root under its number.
    pub(crate) fn insert_root(&mut self, root: &Rc<Root>) {
        self.known.insert(root.id, Context::new(root, Of::Root));
    }

    /// Adds a stream or connection.
    pub(crate) fn insert(&mut self, root: &Rc<Root>, of: Of) -> Result<u32, Full> {
        if self.open >= self.open_max {
            return Err(Full);
        }
        let id = self.number();
        self.known.insert(id, Context::new(root, of));
        self.open += 1;
        Ok(id)
    }

    pub(crate) fn get(&self, id: u32) -> Option<&Context> {
        self.known.get(&id)
    }

    pub(crate) fn get_mut(&mut self, id: u32) -> Option<&mut Context> {
        self.known.get_mut(&id)
    }

    pub(crate) fn remove(&mut self, id: u32) {
        if let Some(context) = self.known.remove(&id)
            && !matches!(context.of, Of::Root)
        {
            self.open -= 1;
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

    /// The roots that are there.
    pub(crate) fn roots(&self) -> Vec<Rc<Root>> {
        let roots = self.known.values().filter(|context| matches!(context.of, Of::Root));
        roots.map(|context| Rc::clone(&context.root)).collect()
    }
}

impl Context {
    fn new(root: &Rc<Root>, of: Of) -> Self {
        Self { root: Rc::clone(root), of, ways: Default::default() }
    }

    /// What it is for, in the words of the host.
    pub(crate) fn subject(&self) -> Subject<'_> {
        match &self.of {
            Of::Root | Of::Codec => Subject::Host,
            Of::Stream(stream) => Subject::Stream(stream),
            Of::Connection(connection) => Subject::Connection(connection),
        }
    }

    /// A callback of this direction begins.
    pub(crate) fn begin(&mut self, way: Way) {
        *self.going(way) = Going::default();
    }

    /// The guest says that this direction goes on.
    pub(crate) fn resume(&mut self, way: Way) {
        let going = self.going(way);
        going.resumed = true;
        if let Some(signal) = going.waiting.take() {
            signal.raise();
        }
    }

    /// The guest was not let answer the message or break it off: in the callback of a direction,
    /// or from beside, where it ends all pauses.
    pub(crate) fn refuse(&mut self, way: Option<Way>) {
        if let Some(way) = way {
            self.going(way).refused = true;
            return;
        }
        for going in &mut self.ways {
            if let Some(signal) = going.waiting.take() {
                going.refused = true;
                signal.raise();
            }
        }
    }

    /// What a pause of this direction comes to.
    pub(crate) fn pause(&mut self, way: Way) -> Pause {
        let is_vain = self.is_vain(way);
        let going = self.going(way);
        if going.resumed {
            return Pause::Over;
        }
        if is_vain {
            return Pause::Vain;
        }
        let signal = Rc::new(Signal::default());
        going.waiting = Some(Rc::clone(&signal));
        Pause::Until(signal)
    }

    /// True where a pause of this direction has nothing to wait for.
    pub(crate) fn is_vain(&mut self, way: Way) -> bool {
        let going = self.going(way);
        going.refused && !going.resumed
    }

    fn going(&mut self, way: Way) -> &mut Going {
        let [inwards, outwards] = &mut self.ways;
        match way {
            Way::In => inwards,
            Way::Out => outwards,
        }
    }
}

impl From<Side> for Way {
    fn from(side: Side) -> Self {
        match side {
            Side::Request => Self::In,
            Side::Response => Self::Out,
        }
    }
}

impl From<Flow> for Way {
    fn from(flow: Flow) -> Self {
        match flow {
            Flow::Downstream => Self::In,
            Flow::Upstream => Self::Out,
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
            self.write_u32(u32::from(*byte));
        }
    }

    fn write_u32(&mut self, number: u32) {
        // Two to the 64 by the golden ratio: near numbers come far apart.
        self.0 = (self.0 ^ u64::from(number)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}

#[cfg(test)]
mod tests;
