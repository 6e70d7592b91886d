//! The ward: the plugin that a guard stands at, with all that decides and is counted of it.

use std::{fmt, rc::Rc, sync::Arc};

use host_types::{PluginLimits, PluginName};

use crate::{CallCounts, Denial, DenialCounts, Recorder, Rights};

/// Is told of every call that is not allowed, with the reason. How often that is worth a line in
/// the log is for it to say.
pub type OnDenial = Rc<dyn Fn(&Denial<'_>)>;

/// A plugin on one worker, as its guard knows it.
#[derive(Clone)]
pub struct Ward {
    /// Its name: calls are made in it, whatever the backend says.
    pub plugin: PluginName,
    /// What it may do.
    pub rights: Arc<Rights>,
    /// How much of that.
    pub limits: PluginLimits,
    /// Where its calls are counted; only guards of one thread may share it.
    pub counts: Arc<CallCounts>,
    /// Where denials are counted; only guards of one thread may share it.
    pub denials: Arc<DenialCounts>,
    /// Is told of denials.
    pub on_denial: OnDenial,
    /// Where all that it does is noted, where that is wanted.
    pub recorder: Option<Arc<Recorder>>,
}

impl fmt::Debug for Ward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ward").field("plugin", &self.plugin).finish_non_exhaustive()
    }
}
