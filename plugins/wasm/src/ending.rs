//! How contexts end: `done`, `log`, `delete`, in the order of the specification.
//!
//! Who answers `done` with "not yet" is waited for (see `seat`), and ends once it says that it
//! is done. A root is not told to log, which guests of some SDKs do not survive: for them only
//! streams and connections do.
//!
//! A context that ends is called, and may say that others are done: they end after it, from a
//! queue, since a guest shall not decide how deep the stack of the host grows.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::Rc,
};

use host_extension::PluginFault;

use crate::{roots::Root, state::Duty, vm::Vm};

/// Contexts that said that they are done, with their roots.
#[derive(Debug, Default)]
pub(crate) struct Endings {
    queue: RefCell<VecDeque<(Rc<Root>, u32)>>,
    /// Somebody up the stack is at it.
    is_running: Cell<bool>,
}

impl Endings {
    fn next(&self) -> Option<(Rc<Root>, u32)> {
        self.queue.borrow_mut().pop_front()
    }

    fn has_one_of(&self, root: &Root) -> bool {
        self.queue.borrow().iter().any(|(other, _)| other.id == root.id)
    }
}

impl Vm {
    /// Ends contexts that said in a callback that they are done. Those that do not fit into
    /// one turn go on to linger, and end with a sweep.
    pub(crate) fn end_finished(&self, finished: Vec<(Rc<Root>, u32)>) {
        self.endings.queue.borrow_mut().extend(finished);
        if self.endings.is_running.replace(true) {
            return;
        }
        let turn = self.turn();
        let mut is_over = false;
        while let Some((root, context)) = self.endings.next() {
            if is_over && context != root.id {
                root.linger_on(context);
            } else {
                self.end_beside(&root, context);
                is_over = turn.is_over();
            }
        }
        self.endings.is_running.set(false);
    }

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
        if !self.endings.has_one_of(root) {
            root.lingered();
        }
    }

    /// Ends the context of a codec, which has nothing to log and is not waited for.
    pub(crate) fn end_codec(
        &self,
        root: &Root,
        context: u32,
        tells_done: bool,
    ) -> Result<(), PluginFault> {
        let told = if tells_done { self.is_done(root, context).map(drop) } else { Ok(()) };
        let ended = told.and_then(|()| self.log_and_delete(root, context, true));
        self.with_data(|data| data.contexts.remove(context));
        ended
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
