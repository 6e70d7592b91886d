//! Which uses share a guest.
//!
//! Those of one worker whose configuration names a machine and whose key is the same: all
//! that the guest was made from and all that it may do is in it. What belongs to a use alone
//! (its plugin's name, its root, its configuration) is not.

use std::rc::Rc;

use host_extension::{InstanceSpec, PluginFault, WorkerScope};
use host_types::{Isolation, PluginLimits};
use sha2::{Digest, Sha256};

use crate::{backend::Compiled, roots::Root, vm::Vm};

/// Starts a use: in the guest that it shares, where one runs, else in a fresh one.
pub(crate) fn enter(
    compiled: &std::sync::Arc<Compiled>,
    scope: &WorkerScope,
    spec: &InstanceSpec,
) -> Result<(Rc<Vm>, Rc<Root>), PluginFault> {
    let Some(key) = key(compiled) else { return Vm::start(compiled, scope, spec, None) };
    if let Some(vm) = scope.shared.get::<Vm>(&key)
        && !vm.is_lost()
    {
        let root = vm.add(compiled, scope, spec)?;
        return Ok((vm, root));
    }
    let (vm, root) = Vm::start(compiled, scope, spec, None)?;
    scope.shared.insert(&key, &vm);
    Ok((vm, root))
}

/// What guests have in common that are one; `None` where a use has its guest for itself.
fn key(compiled: &Compiled) -> Option<[u8; 32]> {
    let vm = &compiled.vm;
    let id = vm.id.as_deref()?;
    let mut key = Key::default();
    key.add(id.as_bytes());
    key.add(&vm.configuration);
    key.add(&compiled.digest);
    key.number(vm.environment.len());
    for (name, value) in &vm.environment {
        key.add(name.as_bytes());
        key.add(value.as_bytes());
    }
    key.add(match vm.isolation {
        Isolation::Shared => b"shared",
        Isolation::PerStream => b"per_stream",
    });
    key.limits(&compiled.limits);
    // Who lives in one guest can do what any of them may.
    key.add(compiled.grants.as_bytes());
    key.add(format!("{:?}", compiled.phases).as_bytes());
    Some(key.0.finalize().into())
}

/// A hash of parts, each with its length before it, so that no two lists of them are alike.
#[derive(Default)]
struct Key(Sha256);

impl Key {
    fn add(&mut self, part: &[u8]) {
        self.number(part.len());
        self.0.update(part);
    }

    fn number(&mut self, number: usize) {
        self.0.update(number.to_le_bytes());
    }

    fn limits(&mut self, limits: &PluginLimits) {
        let PluginLimits {
            memory_bytes_max,
            table_elements_max,
            call_budget,
            start_budget,
            contexts_max,
            log_lines_per_second_max,
            log_line_bytes_max,
            // These hold for a use, wherever it runs: the guard, the slot and the host keep them.
            cpu_per_second: _,
            calls_max: _,
            call_bytes_max: _,
            call_timeout_max: _,
            tick_period_min: _,
            metrics_max: _,
            shared_data_bytes_max: _,
            held_body_bytes_max: _,
        } = limits;
        for number in [memory_bytes_max, table_elements_max, contexts_max, log_line_bytes_max] {
            self.number(*number);
        }
        for budget in [call_budget, start_budget] {
            self.0.update(budget.as_nanos().to_le_bytes());
        }
        self.0.update(log_lines_per_second_max.to_le_bytes());
    }
}

#[cfg(test)]
mod tests;
