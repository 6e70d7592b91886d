//! Where one thread counts what plugins ask of the host, and what they were denied.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use host_telemetry::{HostCallCount, PluginMetrics};
use plugins_policy::{CallCounts, Capability, DenialCounts, HostCall};

/// The counts of one thread, by the shard of the metrics that shows them. There are few, since
/// metrics bound shards, and each counts on for as long as the thread lives.
#[derive(Debug, Default)]
pub(crate) struct Ledger(Vec<(Arc<PluginMetrics>, Account)>);

/// The counts of one plugin on one thread.
#[derive(Clone, Debug, Default)]
pub(crate) struct Account {
    pub(crate) calls: Arc<CallCounts>,
    pub(crate) denials: Arc<DenialCounts>,
    /// Lines of children that may not log; another thread counts them.
    pub(crate) lines: Arc<AtomicU64>,
}

impl Ledger {
    /// The counts that a shard shows, from the first time on that they are asked for.
    pub(crate) fn account(&mut self, shard: &Arc<PluginMetrics>) -> Account {
        let known = self.0.iter().find(|(known, _account)| Arc::ptr_eq(known, shard));
        if let Some((_shard, account)) = known {
            return account.clone();
        }
        let account = Account::default();
        let calls = Arc::clone(&account.calls);
        shard.report_host_calls(move |show| {
            for call in HostCall::ALL {
                let (made, refused) = (calls.made(call), calls.refused(call));
                show(HostCallCount { call: call.label(), made, refused });
            }
        });
        let denied = account.clone();
        shard.report_denials(move |show| {
            for permission in Capability::ALL {
                show(permission.word(), denied.denied(permission));
            }
        });
        self.0.push((Arc::clone(shard), account.clone()));
        account
    }
}

impl Account {
    /// How often a permission was denied.
    fn denied(&self, permission: Capability) -> u64 {
        let of_calls = self.denials.of(permission);
        if permission != Capability::Log {
            return of_calls;
        }
        of_calls.wrapping_add(self.lines.load(Relaxed))
    }
}
