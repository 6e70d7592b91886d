//! What plugins were seen to do, by plugin: for policies that are written from what is needed.

use std::{collections::BTreeMap, sync::Arc};

use host_types::PluginName;
use parking_lot::Mutex;
use plugins_policy::{LeftOut, Permission, Recorder};

/// Notes what every plugin does, on all threads. A catalog that is made with it
/// ([`Catalog::recording`](crate::Catalog::recording)) lets plugins do whatever they ask for.
#[derive(Debug, Default)]
pub struct Records(Mutex<BTreeMap<PluginName, Arc<Recorder>>>);

impl Records {
    /// That of one plugin; over all its generations it is the same.
    #[must_use]
    pub fn of(&self, plugin: &PluginName) -> Arc<Recorder> {
        Arc::clone(self.0.lock().entry(plugin.clone()).or_default())
    }

    /// The grants without which something that a plugin did would not be allowed, for every
    /// plugin that was loaded, by name.
    #[must_use]
    pub fn grants(&self) -> Vec<(PluginName, Vec<Permission>)> {
        let records = self.0.lock();
        records.iter().map(|(plugin, record)| (plugin.clone(), record.grants())).collect()
    }

    /// What plugins did beside, and no grant is offered for.
    #[must_use]
    pub fn left_out(&self) -> Vec<(PluginName, LeftOut)> {
        let records = self.0.lock();
        let of_one = |(plugin, record): (&PluginName, &Arc<Recorder>)| {
            let plugin = plugin.clone();
            record.left_out().into_iter().map(move |one| (plugin.clone(), one))
        };
        records.iter().flat_map(of_one).collect()
    }
}
