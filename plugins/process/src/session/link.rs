//! A plugin's child as all workers see it.

use std::{collections::VecDeque, sync::Arc};

use host_extension::{CodecProfile, InstanceSpec, Phases};
use host_types::{PluginLimits, PluginName, ProcessSettings};

use parking_lot::Mutex;

use super::limits::PROFILES_MAX;
use crate::child::{ChildWatch, Watchdog};

/// What sessions to one child have in common. Each session holds one until it has ended, so the
/// last one gone means that no worker needs the child any more.
#[derive(Debug)]
pub(crate) struct ChildLink {
    /// The plugin.
    pub(crate) name: PluginName,
    /// The name under which it keeps what it shares, where that is not the plugin's.
    pub(crate) vm_id: Option<Arc<str>>,
    /// The limits of each of its instances.
    pub(crate) limits: PluginLimits,
    /// The phases that it is shown; `None` shows all that it asks for.
    pub(crate) phases: Option<Phases>,
    /// How it is started and watched.
    pub(crate) settings: ProcessSettings,
    /// Where the supervisor says how the child is.
    pub(crate) watch: ChildWatch,
    /// Who is told that it does not answer.
    pub(crate) watchdog: Arc<dyn Watchdog>,
    /// What its protocol is like in its uses as a codec, as the trials of these were told; the
    /// newest ones.
    pub(crate) profiles: Mutex<VecDeque<(InstanceSpec, CodecProfile)>>,
}

impl ChildLink {
    /// Where its shared data and queues are kept.
    pub(crate) fn namespace(&self) -> &str {
        self.vm_id.as_deref().unwrap_or(self.name.as_str())
    }

    /// What holds of the protocol of a use.
    pub(crate) fn profile(&self, of: &InstanceSpec) -> CodecProfile {
        let profiles = self.profiles.lock();
        let found = profiles.iter().rev().find(|(spec, _profile)| spec == of);
        found.map(|(_spec, profile)| *profile).unwrap_or_default()
    }

    /// A trial was told what holds of the protocol of a use.
    pub(crate) fn note_profile(&self, of: &InstanceSpec, profile: CodecProfile) {
        let mut profiles = self.profiles.lock();
        profiles.retain(|(spec, _profile)| spec != of);
        if profiles.len() >= PROFILES_MAX {
            profiles.pop_front();
        }
        profiles.push_back((of.clone(), profile));
    }

    /// Under what a worker finds its session to this child.
    pub(super) fn key(self: &Arc<Self>) -> Vec<u8> {
        // Whoever finds a session by it holds the link, so the address is nobody else's.
        let mut key = b"process session ".to_vec();
        key.extend_from_slice(&Arc::as_ptr(self).addr().to_le_bytes());
        key
    }
}
