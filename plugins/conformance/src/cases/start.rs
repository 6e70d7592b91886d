//! What a plugin does as it starts: configurations, and what there is not yet.

use abi_wasm::{BufferType, MapType};

use super::{bad, ok, text};
use crate::{
    Phase,
    call::{self, Call},
    case::Case,
    script::{Answer, Value},
    setup,
};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = configurations();
    for phase in [Phase::VmStart, Phase::Configure] {
        cases.extend(no_stream(phase));
    }
    cases
}

fn at(phase: Phase, subject: &'static str, what: &str, call: Call, answer: Answer) -> Case {
    Case::at(phase, subject, what).call(call, answer)
}

fn configurations() -> Vec<Case> {
    let (get, status) = ("proxy_get_buffer_bytes", "proxy_get_buffer_status");
    let (vm, plugin) = (BufferType::VmConfiguration, BufferType::PluginConfiguration);
    let length = |text: &str| {
        let length = u64::try_from(text.len()).unwrap_or_default();
        Answer::value(Value::Number(2, length))
    };
    let set = "proxy_set_buffer_bytes";
    let (start, configure) = (Phase::VmStart, Phase::Configure);
    let whole = call::whole;
    vec![
        at(configure, get, "the plugin's", whole(plugin), text(setup::PLUGIN_CONFIGURATION)),
        at(configure, get, "a part of the plugin's", call::buffer(plugin, 4, 6), text("plugin")),
        at(start, get, "a part of the machine's", call::buffer(vm, 4, 7), text("machine")),
        at(
            start,
            status,
            "the machine's",
            call::buffer_status(vm),
            length(setup::VM_CONFIGURATION),
        ),
        at(
            configure,
            status,
            "the plugin's",
            call::buffer_status(plugin),
            length(setup::PLUGIN_CONFIGURATION),
        ),
        at(start, get, "the plugin's is not there yet", whole(plugin), super::missing()),
        at(
            start,
            set,
            "the machine's cannot be changed",
            call::set_buffer(vm, 0, 0, "x"),
            bad().or(1),
        ),
        at(
            configure,
            set,
            "the plugin's cannot be changed",
            call::set_buffer(plugin, 0, 0, "x"),
            bad().or(1),
        ),
        // Of 0.1.0, which has no buffers for them.
        at(
            configure,
            "proxy_get_configuration",
            "good",
            call::configuration(),
            text(setup::PLUGIN_CONFIGURATION),
        ),
    ]
}

fn no_stream(phase: Phase) -> Vec<Case> {
    let map = MapType::RequestHeaders;
    let empty = || Answer::value(Value::Empty).or(2);
    vec![
        at(
            phase,
            "proxy_get_header_map_value",
            "no stream",
            call::value(map, ":path"),
            bad().or(1),
        ),
        at(phase, "proxy_get_header_map_pairs", "no stream", call::pairs(map), empty()),
        at(phase, "proxy_add_header_map_value", "no stream", call::add(map, "x-a", "b"), bad()),
        at(
            phase,
            "proxy_get_buffer_bytes",
            "no stream",
            call::whole(BufferType::RequestBody),
            super::missing().or_elsewhere(0),
        ),
        at(
            phase,
            "proxy_send_local_response",
            "no stream",
            call::reply(200, "", &[]),
            bad().or(1).or(0).or(12),
        ),
        at(
            phase,
            "proxy_continue_stream",
            "no stream",
            call::continue_stream(abi_wasm::StreamType::Request),
            ok(),
        ),
    ]
}
