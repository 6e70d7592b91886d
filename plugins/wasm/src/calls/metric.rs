//! Metrics of a plugin: counters, gauges and histograms, over all workers.
//!
//! A guest that several plugins share has its numbers in one memory: what one root defines
//! another one counts. So a number is the plugin's that asks, or of one that has a root there.

use abi_wasm::{MetricType, Status};
use host_extension::{CallError, CallResult, HostCalls, MetricKind};
use wasmtime::{Caller, Linker};

use super::{Answer, Call, ENV, Gate, answer, define};
use crate::state::VmData;

pub(super) fn link(linker: &mut Linker<VmData>) -> wasmtime::Result<()> {
    define!(linker, Running, "proxy_define_metric", |call, kind, name, name_len, out| {
        define_metric(call, kind, (name, name_len), out)
    });
    define!(linker, Running, "proxy_get_metric", |call, metric, out| {
        call.read(out, 8)?;
        let value = of_any_root(call, |host, plugin| host.metric(plugin, metric));
        let value = value.map_err(answer::of_value)?;
        Ok(call.write(out, &value.to_le_bytes())?)
    });
    linker.func_wrap(
        ENV,
        "proxy_record_metric",
        |caller: Caller<'_, VmData>, metric: u32, value: u64| {
            Call::answer(caller, "proxy_record_metric", Gate::Running, |call| {
                answer::of_change(of_any_root(call, |host, plugin| {
                    host.record_metric(plugin, metric, value)
                }))
            })
        },
    )?;
    linker.func_wrap(
        ENV,
        "proxy_increment_metric",
        |caller: Caller<'_, VmData>, metric: u32, by: i64| {
            Call::answer(caller, "proxy_increment_metric", Gate::Running, |call| {
                answer::of_change(of_any_root(call, |host, plugin| {
                    host.increment_metric(plugin, metric, by)
                }))
            })
        },
    )?;
    Ok(())
}

fn define_metric(call: &mut Call<'_>, kind: u32, (name, name_len): (u32, u32), out: u32) -> Answer {
    let kind = match MetricType::try_from(kind).map_err(|_unknown| Status::BadArgument)? {
        MetricType::Counter => MetricKind::Counter,
        MetricType::Gauge => MetricKind::Gauge,
        MetricType::Histogram => MetricKind::Histogram,
    };
    let name = call.read(name, name_len)?;
    call.read(out, 4)?;
    let name = std::str::from_utf8(name).map_err(|_no_text| Status::BadArgument)?;
    let metric = call.host().define_metric(call.plugin(), kind, name);
    Ok(call.write_u32(out, metric.map_err(answer::of_value)?)?)
}

/// Asks in the name of the plugin that calls; where it has no such metric, in the names of the
/// others that have a root in this guest, each with its own permissions.
fn of_any_root<T>(
    call: &Call<'_>,
    ask: impl Fn(&dyn HostCalls, &str) -> CallResult<T>,
) -> CallResult<T> {
    let own = ask(call.host(), call.plugin());
    if !matches!(own, Err(CallError::NotFound)) {
        return own;
    }
    let others = call.data().contexts.roots();
    let others = others.iter().filter(|root| root.plugin.as_str() != call.plugin());
    let found = others.map(|root| ask(&*root.calls, root.plugin.as_str()));
    let mut found = found.filter(|answer| !matches!(answer, Err(CallError::NotFound)));
    found.next().unwrap_or(own)
}
