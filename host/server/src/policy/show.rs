//! `mortise policy show`: what each plugin may do, as text and as JSON.
//!
//! The keys of the JSON are stable: `plugins[]` with `name`, `backend`, `source`, `policy`
//! (`name`, `preset`, `mode`, `grants`, `denials`), `asks` (`null` where everything is asked for),
//! `security`, `reads` (the listeners whose protocol it is), `namespace`, `problem`, `capabilities[]` (`permission`, `in_force`, `names`, each
//! with `pattern` and, where a name must match both, `within`; `except`, fields of the host that
//! are not among them; `asked`, `granted`, `denied`, `why_not`), `limits` by the keys of the
//! configuration, `not_held[]` (the keys of those limits that nobody holds the plugin to),
//! `not_enforced[]` (the words of all restrictions that nobody enforces here), and `unenforced[]`
//! (those of them that its policy states: `restriction`, `reason`, `advice`, `allowed`). A pattern
//! is `*` for all names, and `null` for the plugin's own namespace.

use std::fmt::Write as _;

use plugins_policy::{
    Argument, Capability, CapabilityReport, Extent, FRAMING, Mode, Names, Permission, ROUTING,
    Restriction, Runs, Source, Unenforced, WhyNot,
};
use serde_json::{Map, Value, json};

use super::{
    survey::{Subject, Surveyed},
    words::{deed, kept_by, limits, restriction},
};
use crate::cli::CheckReport;

pub(super) fn show(surveyed: &Surveyed) -> CheckReport {
    let plugins: Vec<Value> = surveyed.plugins.iter().map(entry).collect();
    let texts: Vec<String> = surveyed.plugins.iter().map(text).collect();
    let text = if texts.is_empty() {
        format!("{}: no plugins\n", surveyed.file.display())
    } else {
        texts.join("\n")
    };
    CheckReport { is_clean: true, text, json: json!({ "plugins": plugins }) }
}

fn text(subject: &Subject) -> String {
    let mut text = head(subject);
    let reports = subject.survey.rights.report();
    let (may, may_not): (Vec<_>, Vec<_>) =
        reports.into_iter().partition(|report| report.why_not.is_none());
    if !subject.reads.is_empty() {
        let listeners = list(subject.reads.iter().map(|name| format!("`{name}`")));
        let _always = writeln!(
            text,
            "  reads and writes all bytes of connections, to upstreams too: its protocol is that \
             of {listeners}"
        );
    }
    section(&mut text, "may", &may, names);
    let is_asked = |report: &CapabilityReport| report.why_not != Some(WhyNot::NotAsked);
    let (refused, strange): (Vec<_>, Vec<_>) = may_not.into_iter().partition(is_asked);
    section(&mut text, "may not", &refused, |report| {
        why_not(report) + mark(subject, report.capability)
    });
    if subject.survey.problem.is_some() {
        text.push_str("  what its plugin.toml asks for is not known\n");
    } else if !strange.is_empty() {
        let deeds = strange.iter().map(|report| {
            let what = report.capability;
            format!("{}{}", deed(what), mark(subject, what))
        });
        let deeds = list(deeds);
        let _always = writeln!(text, "  does not ask to\n    {deeds}");
    }
    if let ([place, ..], Runs::Child { confined: true }) =
        (subject.survey.own_places.as_slice(), subject.survey.enforcement.runs)
    {
        let place = place.display().to_string();
        let _always = writeln!(
            text,
            "  reads whatever its policy says\n    its own directory `{}`, and what each child \
             reads (`mortise policy catalogue`)",
            place.escape_debug()
        );
    }
    // Writing to a string does not fail.
    let _always = writeln!(text, "  limits");
    for (key, _number, words) in limits(&subject.plan.limits) {
        let but = if holds(subject, key) { "" } else { ", which nobody holds it to" };
        let _always = writeln!(text, "    {key:<32} {words}{but}");
    }
    let not_enforced = not_enforced(subject);
    if !not_enforced.is_empty() {
        let words = list(not_enforced.iter().map(|one| format!("`{}`", one.word())));
        let _always = writeln!(text, "  not enforced here: {words}");
    }
    for unenforced in &subject.survey.unenforced {
        let Unenforced { is_allowed, .. } = unenforced;
        let then = if *is_allowed { "" } else { " (it is not loaded)" };
        let _always = writeln!(text, "  {unenforced}{then}");
    }
    text
}

/// Whether a plugin that runs as this one does is held to a limit.
fn holds(subject: &Subject, limit: &str) -> bool {
    restriction(limit).is_none_or(|restriction| subject.survey.enforcement.holds(restriction))
}

/// The restrictions that nobody holds a plugin to that runs as this one does, but for those of
/// what it may do anyway.
fn not_enforced(subject: &Subject) -> Vec<Restriction> {
    let survey = &subject.survey;
    let is_idle = |restriction: Restriction| {
        Capability::ALL.into_iter().any(|capability| {
            kept_by(capability) == Some(restriction) && survey.rights.allows_all(capability)
        })
    };
    let missing = Restriction::ALL.into_iter().filter(|one| !survey.enforcement.holds(*one));
    missing.filter(|one| !is_idle(*one)).collect()
}

/// What is added where nobody keeps a plugin from what it may not do.
fn mark(subject: &Subject, capability: Capability) -> &'static str {
    let enforcement = subject.survey.enforcement;
    let is_kept = kept_by(capability).is_none_or(|restriction| enforcement.holds(restriction));
    if is_kept { "" } else { " (not enforced here)" }
}

fn head(subject: &Subject) -> String {
    let (plan, survey) = (&subject.plan, &subject.survey);
    let policy = &plan.policy;
    let mode = match policy.mode {
        Mode::Enforce => "enforced",
        Mode::Permissive => "PERMISSIVE: what it forbids is logged and carried out",
    };
    let mut text = format!("{} ({}, {})\n", plan.name, plan.backend.label(), plan.source.display());
    let preset = policy.preset.word();
    let _always = if policy.name.as_ref() == preset {
        writeln!(text, "  preset `{preset}`, {mode}")
    } else {
        writeln!(text, "  policy `{}`, beginning with the preset `{preset}`, {mode}", policy.name)
    };
    let _always = match (&survey.problem, subject.survey.asked.as_deref()) {
        (Some(problem), _) => writeln!(text, "  it is not loaded: {problem}"),
        (None, None) => writeln!(text, "  no plugin.toml: it asks for everything"),
        (None, Some([])) => writeln!(text, "  its plugin.toml asks for nothing"),
        (None, Some(asked)) => {
            writeln!(text, "  its plugin.toml asks for {}", listed(asked.iter()))
        }
    };
    if survey.is_security {
        text.push_str("  for security: traffic never goes on without it\n");
    }
    text
}

fn section(
    text: &mut String,
    title: &str,
    reports: &[CapabilityReport],
    say: impl Fn(&CapabilityReport) -> String,
) {
    if reports.is_empty() {
        return;
    }
    let _always = writeln!(text, "  {title}");
    for report in reports {
        let said = say(report);
        let deed = deed(report.capability);
        let _always = if said.is_empty() {
            writeln!(text, "    {deed}")
        } else {
            writeln!(text, "    {deed}: {said}")
        };
    }
}

/// For which names; nothing where it is not about names.
pub(super) fn names(report: &CapabilityReport) -> String {
    if report.capability.argument() == Argument::None {
        return String::new();
    }
    let mut said = list(report.in_force.iter().map(|extent| match &extent.within {
        None => quoted(&extent.names),
        Some(within) => format!("{} that are {}, too", quoted(&extent.names), quoted(within)),
    }));
    let denied = report.denied.iter().map(|denial| match denial.pattern() {
        Some(pattern) => format!("`{pattern}`"),
        None => quoted(&Names::Own),
    });
    let but = list(denied.chain(fields_of_host(report)));
    if !but.is_empty() {
        let _always = write!(said, " but {but}");
    }
    said
}

/// The fields of the host that a plugin may not write, where it could be thought that it may.
fn fields_of_host(report: &CapabilityReport) -> Vec<String> {
    let is_meant = |field: &&str| {
        report.in_force.iter().any(|extent| match &extent.names {
            Names::All => true,
            Names::Own => false,
            Names::Like(pattern) => pattern.matches(field.as_bytes(), true),
        })
    };
    let mut left: Vec<_> = report.except.iter().copied().filter(is_meant).collect();
    let mut said = Vec::new();
    for (fields, words) in
        [(&ROUTING[..], "those that route requests"), (&FRAMING, "those that frame messages")]
    {
        if fields.iter().all(|field| left.contains(field)) {
            left.retain(|field| !fields.contains(field));
            said.push(words.to_owned());
        }
    }
    said.extend(left.into_iter().map(|field| format!("`{field}`")));
    said
}

fn quoted(names: &Names) -> String {
    match names {
        Names::All => "all".to_owned(),
        Names::Own => "its own".to_owned(),
        Names::Like(pattern) => format!("`{pattern}`"),
    }
}

fn why_not(report: &CapabilityReport) -> String {
    match report.why_not {
        Some(WhyNot::NotAsked) => "its plugin.toml does not ask for it".to_owned(),
        Some(WhyNot::NotGranted) => "the policy does not grant it".to_owned(),
        Some(WhyNot::Denied) => {
            format!("the policy denies {}", listed(report.denied.iter()))
        }
        Some(WhyNot::OtherNames) => format!(
            "its plugin.toml asks for {}, and the policy grants {}",
            list(report.asked.iter().flatten().map(quoted)),
            list(report.granted.iter().map(|(names, _source)| quoted(names)))
        ),
        Some(_) | None => String::new(),
    }
}

fn list(words: impl Iterator<Item = String>) -> String {
    words.collect::<Vec<_>>().join(", ")
}

fn listed<'a>(permissions: impl Iterator<Item = &'a Permission>) -> String {
    list(permissions.map(|one| format!("`{one}`")))
}

fn entry(subject: &Subject) -> Value {
    let (plan, survey) = (&subject.plan, &subject.survey);
    let numbers = limits(&plan.limits).into_iter().map(|(key, number, _words)| {
        (key.to_owned(), Value::from(u64::try_from(number).unwrap_or(u64::MAX)))
    });
    let keys = limits(&plan.limits).into_iter().map(|(key, ..)| key);
    let not_held = keys.filter(|key| !holds(subject, key));
    json!({
        "name": plan.name.as_str(),
        "backend": plan.backend.label(),
        "source": plan.source.display().to_string(),
        "policy": {
            "name": &*plan.policy.name,
            "preset": plan.policy.preset.word(),
            "mode": plan.policy.mode.word(),
            "grants": texts(plan.policy.grants.iter()),
            "denials": texts(plan.policy.denials.iter()),
        },
        "asks": subject.survey.asked.as_deref().map(|asked| texts(asked.iter())),
        "security": survey.is_security,
        "reads": subject.reads.iter().map(|name| name.as_str()).collect::<Vec<_>>(),
        "namespace": plan.shared_namespace(),
        "problem": survey.problem,
        "capabilities": survey.rights.report().iter().map(capability).collect::<Vec<_>>(),
        "limits": numbers.collect::<Map<_, _>>(),
        "not_held": not_held.collect::<Vec<_>>(),
        "not_enforced": not_enforced(subject).into_iter().map(Restriction::word).collect::<Vec<_>>(),
        "unenforced": survey.unenforced.iter().map(unenforced).collect::<Vec<_>>(),
    })
}

fn capability(report: &CapabilityReport) -> Value {
    let extent = |extent: &Extent| {
        let within = extent.within.as_ref().map(pattern);
        json!({ "pattern": pattern(&extent.names), "within": within })
    };
    let granted = report.granted.iter().map(|(names, source)| {
        let by = match source {
            Source::Preset(preset) => format!("preset {}", preset.word()),
            Source::Grant(grant) => grant.to_string(),
        };
        json!({ "pattern": pattern(names), "by": by })
    });
    json!({
        "permission": report.capability.word(),
        "in_force": report.why_not.is_none(),
        "names": report.in_force.iter().map(extent).collect::<Vec<_>>(),
        "except": report.except,
        "asked": report.asked.as_ref().map(|asked| asked.iter().map(pattern).collect::<Vec<_>>()),
        "granted": granted.collect::<Vec<_>>(),
        "denied": texts(report.denied.iter()),
        "why_not": report.why_not.map(WhyNot::word),
    })
}

/// As it is written; nothing where the own namespace is meant.
fn pattern(names: &Names) -> Option<&str> {
    match names {
        Names::All => Some("*"),
        Names::Own => None,
        Names::Like(pattern) => Some(pattern.as_str()),
    }
}

fn unenforced(unenforced: &Unenforced) -> Value {
    json!({
        "restriction": unenforced.restriction.word(),
        "reason": unenforced.reason,
        "advice": unenforced.advice,
        "allowed": unenforced.is_allowed,
    })
}

fn texts<'a>(permissions: impl Iterator<Item = &'a Permission>) -> Vec<String> {
    permissions.map(ToString::to_string).collect()
}
