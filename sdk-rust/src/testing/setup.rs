//! What a plugin finds when it starts in a test.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::{Core, TestHost, commons::Commons, world::World};
use crate::{Host, Plugin, Refusal, backend::Registration};

/// What a plugin finds when it starts.
///
/// ```
/// # use mortise_sdk::{Host, Plugin, Refusal};
/// # struct Clock;
/// # impl Plugin for Clock {
/// #     type Config = ();
/// #     fn start((): (), host: &Host<'_>) -> Result<Self, Refusal> {
/// #         host.queue("billing", "jobs").map(|_| Self).map_err(Refusal::new)
/// #     }
/// # }
/// use mortise_sdk::testing::TestSetup;
///
/// let host = TestSetup::new()
///     .cluster("auth")
///     .queue("billing", "jobs")
///     .property(&["node", "id"], "test")
///     .start::<Clock>("")?;
/// # Ok::<(), Refusal>(())
/// ```
#[derive(Clone, Debug)]
pub struct TestSetup {
    clusters: BTreeSet<String>,
    properties: BTreeMap<Vec<String>, Vec<u8>>,
    commons: Rc<RefCell<Commons>>,
    clock: Rc<Cell<SystemTime>>,
    copies: Rc<Cell<u64>>,
}

/// How the same plugin is started once more.
#[derive(Clone, Debug)]
pub(super) struct StartAgain {
    registration: Registration,
    config: Rc<str>,
}

/// When tests begin, in seconds since 1970: a day that is easy to read.
const BEGINNING: Duration = Duration::from_secs(1_700_000_000);

impl Default for TestSetup {
    fn default() -> Self {
        Self {
            clusters: BTreeSet::new(),
            properties: BTreeMap::new(),
            commons: Rc::default(),
            clock: Rc::new(Cell::new(UNIX_EPOCH + BEGINNING)),
            copies: Rc::default(),
        }
    }
}

impl TestSetup {
    /// A proxy that knows nothing, and has every cluster that it is asked for.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With a cluster; once one is named there are no others.
    #[must_use]
    pub fn cluster(mut self, name: impl Into<String>) -> Self {
        self.clusters.insert(name.into());
        self
    }

    /// With a property that everything has.
    #[must_use]
    pub fn property(mut self, path: &[&str], value: impl Into<Vec<u8>>) -> Self {
        let path = path.iter().map(|segment| (*segment).to_owned()).collect();
        self.properties.insert(path, value.into());
        self
    }

    /// With a queue that another plugin registered.
    #[must_use]
    pub fn queue(self, namespace: &str, name: &str) -> Self {
        self.commons.borrow_mut().register(namespace, name, None).ok();
        self
    }

    /// With a value in the shared data.
    #[must_use]
    pub fn shared_data(self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.commons.borrow_mut().set_data(key.as_ref(), value.as_ref(), None).ok();
        self
    }

    /// At this time. Without it a test begins in November 2023.
    #[must_use]
    pub fn now(self, now: SystemTime) -> Self {
        self.clock.set(now);
        self
    }

    /// Starts a plugin with its configuration, as JSON; nothing at all is one, too.
    ///
    /// # Errors
    /// The plugin refuses to start.
    pub fn start<P: Plugin>(self, config: &str) -> Result<TestHost, Refusal> {
        start(&self, &StartAgain { registration: Registration::of::<P>(""), config: config.into() })
    }
}

/// Starts a copy of a plugin.
pub(super) fn start(setup: &TestSetup, how: &StartAgain) -> Result<TestHost, Refusal> {
    setup.copies.set(setup.copies.get() + 1);
    let world = World {
        copy: setup.copies.get(),
        commons: Rc::clone(&setup.commons),
        clock: Rc::clone(&setup.clock),
        clusters: setup.clusters.clone(),
        properties: RefCell::new(setup.properties.clone()),
        lines: RefCell::default(),
        calls: RefCell::default(),
        cancelled: RefCell::default(),
        tick: Cell::default(),
        streams: RefCell::default(),
        connections: RefCell::default(),
        last_id: Cell::default(),
    };
    let registration = how.registration;
    let instance = (registration.start)(how.config.as_bytes(), &Host::new(&world))?;
    let core =
        Rc::new(Core { world, instance: RefCell::new(instance), phases: registration.phases });
    core.settle();
    Ok(TestHost { core, setup: setup.clone(), start: how.clone() })
}
