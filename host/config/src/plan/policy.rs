//! Policies: what plugins may do, and how much of it.
//!
//! Every grant and denial is read here, and told with its place where it is none. A plugin may
//! name a preset in place of a policy; so no policy has the name of one.

use std::collections::HashMap;

use abi_manifest::{Capability, Permission, PermissionError};
use host_types::PluginLimits;
use plugins_policy::{Mode, Policy, Preset, Restriction};

use super::{Seen, milliseconds, size, stated};
use crate::{
    cursor::Cursor,
    model::{ModeWord, PluginLimitsConfig, PolicyConfig, PresetWord, RestrictionWord},
    places::Spans,
    suggest,
};

/// What an entry of `policies`, or a preset, says.
#[derive(Clone, Debug, Default)]
pub(super) struct Ruling {
    pub(super) policy: Policy,
    pub(super) limits: PluginLimits,
}

/// The policies that a plugin may name.
pub(super) type Policies = HashMap<String, Ruling>;

/// The entries of `policies` and the presets, by their names. Where grants and denials stand is
/// noted in `spans`.
pub(super) fn policies(models: &[PolicyConfig], at: &Cursor<'_>, spans: &mut Spans) -> Policies {
    let presets = Preset::ALL.map(|preset| {
        let ruling = Ruling { policy: Policy::of(preset), limits: PluginLimits::default() };
        (preset.word().to_owned(), ruling)
    });
    let mut policies = Policies::from(presets);
    let mut seen = Seen::default();
    for (at, model) in at.zip(models) {
        let at_name = at.key("name");
        seen.check(&model.name, "policy", &at_name);
        if Preset::named(&model.name).is_some() {
            let problem = at_name.problem(
                format!("a policy cannot have the name of the preset `{}`", model.name),
                "a preset has this name",
            );
            let help = format!(
                "give it a name of its own; `policy: {}` of a plugin means the preset",
                model.name
            );
            at_name.add(problem.help(help));
        }
        spans.policy(&model.name, at_name.span());
        policies.insert(model.name.clone(), ruling(model, &at, spans));
    }
    policies
}

/// The preset that a policy begins with.
pub(super) fn preset(model: &PolicyConfig) -> PresetWord {
    let without = if model.grants.is_some() { PresetWord::None } else { PresetWord::Default };
    model.preset.unwrap_or(without)
}

fn ruling(model: &PolicyConfig, at: &Cursor<'_>, spans: &mut Spans) -> Ruling {
    let grants = model.grants.as_deref().unwrap_or_default();
    let grants = permissions(grants, "grant", &at.key("grants"), |permission, span| {
        spans.grant(&model.name, permission, span);
    });
    let denials = permissions(&model.denials, "denial", &at.key("denials"), |permission, span| {
        spans.denial(&model.name, permission, span);
    });
    let policy = Policy {
        name: model.name.as_str().into(),
        preset: preset_of(preset(model)),
        mode: match model.mode {
            ModeWord::Enforce => Mode::Enforce,
            ModeWord::Permissive => Mode::Permissive,
        },
        stated: stated::by_limits(&at.key("limits")),
        allow_unenforced: unenforced(&model.allow_unenforced, &at.key("allow_unenforced")),
        grants,
        denials,
    };
    Ruling { policy, limits: limits(&model.limits) }
}

/// Reads permissions; those that are none, or stand twice, are told and left out.
fn permissions(
    models: &[String],
    what: &str,
    at: &Cursor<'_>,
    mut found: impl FnMut(&Permission, crate::tree::Span),
) -> Vec<Permission> {
    let mut seen = Seen::default();
    let mut permissions = Vec::new();
    for (at, text) in at.zip(models) {
        match text.parse::<Permission>() {
            Ok(permission) => {
                seen.check(text, what, &at);
                found(&permission, at.span());
                permissions.push(permission);
            }
            Err(error) => refuse(text, &error, &at),
        }
    }
    permissions
}

fn refuse(text: &str, error: &PermissionError, at: &Cursor<'_>) {
    const CATALOGUE: &str = "`mortise policy catalogue` prints all permissions";
    let label = "no such one";
    at.add(if text.is_empty() {
        at.problem("a permission is empty", label).help(CATALOGUE)
    } else if let PermissionError::Unknown { word, .. } = error {
        let problem = at.problem(format!("there is no permission `{word}`"), label);
        problem.help(match nearest(word) {
            Some(near) => format!("did you mean `{near}`?"),
            None => CATALOGUE.to_owned(),
        })
    } else if let PermissionError::NoArgument { word } = error {
        at.problem(error.to_string(), "not about names").help(format!("write `{word}`"))
    } else {
        at.problem(error.to_string(), label)
    });
}

/// The nearest word of the catalogue, those included that stand for several capabilities.
fn nearest(word: &str) -> Option<&'static str> {
    let words = Capability::ALL.iter().map(|one| one.word());
    let beginnings = words
        .clone()
        .flat_map(|word| word.match_indices('.').filter_map(|(place, _dot)| word.get(..place)));
    suggest::nearest(word, words.chain(beginnings))
}

fn unenforced(models: &[RestrictionWord], at: &Cursor<'_>) -> Vec<Restriction> {
    let mut seen = Seen::default();
    let read = at.zip(models).map(|(at, word)| {
        let restriction = restriction(*word);
        seen.check(restriction.word(), "restriction", &at);
        restriction
    });
    read.collect()
}

fn preset_of(word: PresetWord) -> Preset {
    match word {
        PresetWord::None => Preset::None,
        PresetWord::ReadOnly => Preset::ReadOnly,
        PresetWord::Default => Preset::Default,
        PresetWord::Network => Preset::Network,
        PresetWord::Trusted => Preset::Trusted,
    }
}

fn restriction(word: RestrictionWord) -> Restriction {
    match word {
        RestrictionWord::Memory => Restriction::Memory,
        RestrictionWord::Cpu => Restriction::Cpu,
        RestrictionWord::CpuPerCall => Restriction::CpuPerCall,
        RestrictionWord::Table => Restriction::Table,
        RestrictionWord::Files => Restriction::Files,
        RestrictionWord::Network => Restriction::Network,
        RestrictionWord::Processes => Restriction::Processes,
        RestrictionWord::Clock => Restriction::Clock,
        RestrictionWord::Random => Restriction::Random,
        RestrictionWord::Environment => Restriction::Environment,
    }
}

fn limits(model: &PluginLimitsConfig) -> PluginLimits {
    PluginLimits {
        memory_bytes_max: size(model.memory_mib).saturating_mul(1024 * 1024),
        table_elements_max: size(model.table_elements_max),
        call_budget: milliseconds(model.cpu_ms_per_call),
        start_budget: milliseconds(model.cpu_ms_start),
        contexts_max: size(model.contexts_max),
        log_lines_per_second_max: model.log_lines_per_second_max,
        log_line_bytes_max: size(model.log_line_bytes_max),
        cpu_per_second: model.cpu_ms_per_second.map(milliseconds),
        calls_max: size(model.calls_max),
        call_bytes_max: size(model.call_bytes_max),
        call_timeout_max: milliseconds(model.call_timeout_ms_max),
        tick_period_min: milliseconds(model.tick_ms_min),
        metrics_max: size(model.metrics_max),
        shared_data_bytes_max: size(model.shared_data_kib).saturating_mul(1024),
        held_body_bytes_max: model.held_body_kib.map(|kib| size(kib).saturating_mul(1024)),
    }
}
