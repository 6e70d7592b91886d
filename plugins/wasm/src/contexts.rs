//! The streams that a guest knows, by the numbers that it knows them by.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
    rc::Rc,
};

use host_extension::{Side, Signal, Stream};

/// The number of the root context.
pub(crate) const ROOT: u32 = 1;

/// All stream contexts of one guest.
#[derive(Debug)]
pub(crate) struct Contexts {
    streams: HashMap<u32, StreamContext, BuildHasherDefault<IdHasher>>,
    next: u32,
    max: usize,
}

/// One stream as the guest sees it.
#[derive(Debug)]
pub(crate) struct StreamContext {
    /// The stream.
    pub(crate) stream: Rc<Stream>,
    request: SideState,
    response: SideState,
}

/// Whether a direction goes on.
#[derive(Debug, Default)]
struct SideState {
    /// The guest said "go on" since the newest callback of this side began.
    resumed: bool,
    /// Somebody waits for that.
    waiting: Option<Rc<Signal>>,
}

/// As many contexts as a guest may have.
#[derive(Debug)]
pub(crate) struct Full;

impl Contexts {
    pub(crate) fn new(max: usize) -> Self {
        Self { streams: HashMap::default(), next: ROOT + 1, max }
    }

    /// Adds a stream. Numbers go up and come again only after four billion, so that a late
    /// call for a stream that is gone does not meet another one.
    pub(crate) fn insert(&mut self, stream: &Rc<Stream>) -> Result<u32, Full> {
        if self.streams.len() >= self.max {
            return Err(Full);
        }
        // At most `max` numbers are taken, so a free one is found.
        while self.next <= ROOT || self.streams.contains_key(&self.next) {
            self.next = self.next.wrapping_add(1);
        }
        let id = self.next;
        self.next = self.next.wrapping_add(1);
        let context = StreamContext {
            stream: Rc::clone(stream),
            request: SideState::default(),
            response: SideState::default(),
        };
        self.streams.insert(id, context);
        Ok(id)
    }

    pub(crate) fn get(&self, id: u32) -> Option<&StreamContext> {
        self.streams.get(&id)
    }

    pub(crate) fn get_mut(&mut self, id: u32) -> Option<&mut StreamContext> {
        self.streams.get_mut(&id)
    }

    pub(crate) fn remove(&mut self, id: u32) {
        self.streams.remove(&id);
    }

    /// The signals of all who wait.
    pub(crate) fn waiting(&mut self) -> Vec<Rc<Signal>> {
        self.streams
            .values_mut()
            .flat_map(|context| [&mut context.request, &mut context.response])
            .filter_map(|side| side.waiting.take())
            .collect()
    }
}

impl StreamContext {
    /// A callback of this side begins.
    pub(crate) fn begin(&mut self, side: Side) {
        *self.side(side) = SideState::default();
    }

    /// The guest says that this side goes on.
    pub(crate) fn resume(&mut self, side: Side) {
        let side = self.side(side);
        side.resumed = true;
        if let Some(signal) = side.waiting.take() {
            signal.raise();
        }
    }

    /// A signal to wait for; `None` where the guest has already said to go on.
    pub(crate) fn pause(&mut self, side: Side) -> Option<Rc<Signal>> {
        let side = self.side(side);
        if side.resumed {
            return None;
        }
        let signal = Rc::new(Signal::default());
        side.waiting = Some(Rc::clone(&signal));
        Some(signal)
    }

    fn side(&mut self, side: Side) -> &mut SideState {
        match side {
            Side::Request => &mut self.request,
            Side::Response => &mut self.response,
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
