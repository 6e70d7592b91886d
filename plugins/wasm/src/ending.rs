//! How contexts end: `done`, `log`, `delete`, in the order of the specification.
//!
//! Who answers `done` with "not yet" is waited for (see `seat`), and ends once it says that it
//! is done. A root is not told to log, which guests of some SDKs do not survive: for them only
//! streams and connections do.

use host_extension::PluginFault;

use crate::{roots::Root, state::Duty, vm::Vm};

impl Vm {
    /// Tells a context that it is over, and hears whether it is done.
    pub(crate) fn is_done(&self, root: &Root, context: u32) -> Result<bool, PluginFault> {
        if let Some(fate) = self.fate() {
            return Err(fate);
        }
        let Some(hook) = &self.hooks().done else { return Ok(true) };
        let duty = Duty { callback: "proxy_on_done", context, way: None };
        let (done, _) = self.call(root, duty, |store| hook.call(store, context))?;
        Ok(done != 0)
    }

    /// Ends a context that is done.
    pub(crate) fn end(&self, root: &Root, context: u32) -> Result<(), PluginFault> {
        let is_root = context == root.id;
        let ended = self.log_and_delete(root, context, is_root);
        if is_root {
            root.end();
        }
        self.with_data(|data| data.contexts.remove(context));
        ended
    }

    /// As [`Vm::end`], where nobody else hears of a fault.
    pub(crate) fn end_beside(&self, root: &Root, context: u32) {
        if self.is_lost() {
            return;
        }
        if let Err(fault) = self.end(root, context) {
            root.tell(&fault);
        }
        root.lingered();
    }

    fn log_and_delete(&self, root: &Root, context: u32, is_root: bool) -> Result<(), PluginFault> {
        if let Some(hook) = &self.hooks().log
            && !is_root
        {
            let duty = Duty { callback: "proxy_on_log", context, way: None };
            self.call(root, duty, |store| hook.call(store, context))?;
        }
        if let Some(hook) = &self.hooks().delete {
            let duty = Duty { callback: "proxy_on_delete", context, way: None };
            self.call(root, duty, |store| hook.call(store, context))?;
        }
        Ok(())
    }
}
