//! Guests whose callbacks make a list of calls and tell what came of them.

use std::{collections::BTreeSet, fmt::Write};

use abi_wasm::ParamType;
use host_types::VmSettings;

use super::{DATA, UNTOUCHED, function, import};
use crate::testing::{LOG, Rig, SAY, guest};

/// One callback.
pub(super) struct Hook<'a> {
    /// Its export's name.
    pub(super) name: &'a str,
    /// How many numbers it is given.
    pub(super) params: usize,
    /// What it answers, if it answers anything.
    pub(super) answer: Option<u32>,
    /// What it does.
    pub(super) acts: &'a [Act<'a>],
}

/// One thing that a callback does.
pub(super) enum Act<'a> {
    /// Calls, and says the status: `A` is ok, `B` is 1, ..
    Call(&'a str, &'a [i64]),
    /// Says its own numbers: `0` is 0, `1` is 1, .., `:` is 10, `;` is 11, ..
    Params,
    /// Says the number at an address, likewise.
    Number(u32),
    /// Logs the bytes that the pointer and the length at an address mean.
    Bytes(u32),
}

/// The hook of a request's head.
pub(super) fn request<'a>(acts: &'a [Act<'a>]) -> Hook<'a> {
    Hook { name: "proxy_on_request_headers", params: 3, answer: Some(0), acts }
}

/// The hook of a configuration.
pub(super) fn configure<'a>(acts: &'a [Act<'a>]) -> Hook<'a> {
    Hook { name: "proxy_on_configure", params: 2, answer: Some(1), acts }
}

/// A hook that answers nothing.
pub(super) fn event<'a>(name: &'a str, params: usize, acts: &'a [Act<'a>]) -> Hook<'a> {
    Hook { name, params, answer: None, acts }
}

/// A guest of these hooks.
pub(super) fn scripted(hooks: &[Hook<'_>]) -> Rig {
    Rig::new(&module(hooks))
}

/// As [`scripted`], with settings of its machine.
pub(super) fn scripted_in(hooks: &[Hook<'_>], vm: &VmSettings) -> Rig {
    Rig::with_vm(&module(hooks), vm)
}

/// The module of a guest of these hooks.
pub(super) fn module(hooks: &[Hook<'_>]) -> Vec<u8> {
    let names: BTreeSet<&str> = hooks
        .iter()
        .flat_map(|hook| hook.acts)
        .filter_map(|act| if let Act::Call(name, _) = act { Some(*name) } else { None })
        .collect();
    let mut imports = LOG.to_owned();
    for name in names {
        imports += &import("env", function(name)).replace("$f", &format!("${name}"));
    }
    let number = "(func $number (param i32) \
        (call $say (i32.add (i32.const 48) (local.get 0))))";
    let hooks: String = hooks.iter().map(write_hook).collect();
    guest(&imports, &format!("{SAY} {number} {DATA} {UNTOUCHED} {hooks}"))
}

fn write_hook(hook: &Hook<'_>) -> String {
    let params = " i32".repeat(hook.params);
    let result = if hook.answer.is_some() { "(result i32)" } else { "" };
    let mut text = format!(r#"(func (export "{}") (param{params}) {result}"#, hook.name);
    for act in hook.acts {
        text += &match act {
            Act::Call(name, args) => {
                format!("(call $say (i32.add (i32.const 65) {}))", write_call(name, args))
            }
            Act::Params => (0..hook.params)
                .map(|param| format!("(call $number (local.get {param}))"))
                .collect(),
            Act::Number(at) => format!("(call $number (i32.load (i32.const {at})))"),
            Act::Bytes(at) => format!(
                "(drop (call $log (i32.const 2) (i32.load (i32.const {at}))
                    (i32.load (i32.const {}))))",
                at + 4
            ),
        };
    }
    if let Some(answer) = hook.answer {
        write!(text, "(i32.const {answer})").expect("a string");
    }
    text + ")"
}

fn write_call(name: &str, args: &[i64]) -> String {
    let function = function(name);
    assert_eq!(function.params().count(), args.len(), "{name}");
    let args = function.params().zip(args).map(|(param, arg)| {
        let kind = if param == ParamType::I64 { "i64" } else { "i32" };
        format!(" ({kind}.const {arg})")
    });
    format!("(call ${name}{})", args.collect::<String>())
}
