//! `mortise policy explain`: whether a plugin may do something, by which rule, and how to change
//! that.
//!
//! The keys of the JSON are stable: `plugin`, `permission`, `allowed`, `permissive`, and
//! `answers[]`, one for each capability that the permission names, with `permission`, `allowed`,
//! `rule`, `reason`, `place` (`file`, `line`, `column`; `null` where there is none), `advice`, and
//! `not_enforced`: why nobody keeps the plugin from what it may not do, where that is so.

use std::{ffi::OsStr, fmt::Write as _, os::unix::ffi::OsStrExt as _, path::Path};

use host_config::Place;
use plugins_policy::{
    Access, Argument, Capability, Names, Permission, Rights, Rule, Runs, is_always_readable,
};
use serde_json::{Value, json};

use super::{
    show::names,
    survey::{Subject, Surveyed},
    words::kept_by,
};
use crate::cli::CheckReport;

/// Whether one thing is allowed.
#[derive(Debug)]
struct Answer {
    /// What was asked, as it is written.
    permission: String,
    allowed: bool,
    /// A stable word.
    rule: &'static str,
    reason: String,
    /// Where the rule stands in the configuration.
    place: Option<Place>,
    advice: Option<String>,
    /// Why nobody keeps it from that.
    not_enforced: Option<&'static str>,
}

/// Answers; not clean where something of it is not allowed.
pub(super) fn explain(
    surveyed: &Surveyed,
    subject: &Subject,
    permission: &Permission,
) -> CheckReport {
    let teller = Teller { surveyed, subject };
    let answers: Vec<_> =
        permission.capabilities().map(|one| teller.answer(one, permission)).collect();
    let allowed = answers.iter().all(|answer| answer.allowed);
    let permissive = subject.survey.rights.is_permissive();
    let mut text: String = answers.iter().map(|answer| teller.text(answer)).collect();
    if permissive && !allowed {
        text.push_str("The policy is permissive: it is logged, and carried out all the same.\n");
    }
    let json = json!({
        "plugin": subject.plan.name.as_str(),
        "permission": permission.to_string(),
        "allowed": allowed,
        "permissive": permissive,
        "answers": answers.iter().map(|answer| teller.json(answer)).collect::<Vec<_>>(),
    });
    CheckReport { is_clean: allowed, text, json }
}

struct Teller<'a> {
    surveyed: &'a Surveyed,
    subject: &'a Subject,
}

impl Teller<'_> {
    fn answer(&self, capability: Capability, asked: &Permission) -> Answer {
        let Some(access) = self.subject.survey.rights.meant_by(asked, capability) else {
            return self.of_all(capability);
        };
        let word = capability.word();
        let permission = match asked.pattern() {
            Some(name) => format!("{word}:{name}"),
            None => word.to_owned(),
        };
        self.of_one(permission, access)
    }

    /// Of one name, or of what has no names.
    fn of_one(&self, permission: String, access: Access<'_>) -> Answer {
        if access.capability == Capability::FilesRead && self.is_always_read(access.name) {
            return Answer {
                permission,
                allowed: true,
                rule: "always",
                reason: "a child can read it whatever its policy says: it is of the system's \
                         programs and libraries, of what programs read as they start, or of its \
                         own directory"
                    .to_owned(),
                place: None,
                advice: None,
                not_enforced: None,
            };
        }
        let rights = &self.subject.survey.rights;
        let rule = rights.explain(access);
        let (word, reason, place) = self.rule(rule);
        let allowed = rule.allows();
        let advice = (!allowed).then(|| self.advice(&permission, access, rule));
        let not_enforced = self.not_enforced(access.capability);
        let mut answer =
            Answer { permission, allowed, rule: word, reason, place, advice, not_enforced };
        if allowed && access.capability == Capability::PropertiesRead {
            self.ask_for_fields(access, &mut answer);
        } else if allowed && access.capability == Capability::FilesRead {
            self.look_at_sandbox(access, &mut answer);
        }
        if answer.allowed {
            answer.not_enforced = None;
        }
        answer
    }

    /// Whether a sandbox leaves a path open to each child, or to this one.
    fn is_always_read(&self, path: &[u8]) -> bool {
        let survey = &self.subject.survey;
        let path = Path::new(OsStr::from_bytes(path));
        survey.enforcement.runs == (Runs::Child { confined: true })
            && (is_always_readable(path)
                || survey.own_places.iter().any(|place| path.starts_with(place)))
    }

    /// A property that tells of fields takes what they take, too.
    fn ask_for_fields(&self, access: Access<'_>, answer: &mut Answer) {
        let Some((fields, rule)) = self.subject.survey.rights.explain_fields_of(access.name) else {
            return;
        };
        if rule.allows() {
            return;
        }
        let mut takes = fields.capability.word().to_owned();
        if !fields.name.is_empty() {
            let _always = write!(takes, ":{}", fields.name.escape_ascii());
        }
        let (word, reason, place) = self.rule(rule);
        answer.allowed = false;
        answer.rule = word;
        answer.reason = format!("it tells of fields, which takes `{takes}`, too: {reason}");
        answer.place = place;
        answer.advice = Some(self.advice(&takes, fields, rule));
    }

    /// A child reads the places that its sandbox lists and that it may read as a whole.
    fn look_at_sandbox(&self, access: Access<'_>, answer: &mut Answer) {
        let (plan, survey) = (&self.subject.plan, &self.subject.survey);
        if survey.enforcement.runs != (Runs::Child { confined: true }) {
            return;
        }
        let path = Path::new(OsStr::from_bytes(access.name));
        let around = plan.process.sandbox.read.iter().filter(|place| path.starts_with(place));
        let mut refused = None;
        for place in around {
            let place = place.as_os_str().as_bytes();
            if survey.rights.allows(Access::to(Capability::FilesRead, place)) {
                return;
            }
            refused = Some(place.escape_ascii());
        }
        let path = path.display();
        answer.allowed = false;
        answer.rule = "not_listed";
        (answer.reason, answer.advice) = match refused {
            None => (
                "it may, but `process.sandbox.read` of the plugin does not list it".to_owned(),
                Some(format!("add \"{path}\" to `process.sandbox.read` of the plugin")),
            ),
            Some(place) => (
                format!("it may, but not all of `{place}`, which `process.sandbox.read` lists"),
                Some(format!(
                    "list \"{path}\" there; or {}",
                    self.advice_to_grant(&format!("files.read:{place}"))
                )),
            ),
        };
    }

    /// Why nobody keeps the plugin from something.
    fn not_enforced(&self, capability: Capability) -> Option<&'static str> {
        self.subject.survey.enforcement.why_not(kept_by(capability)?)
    }

    /// Of every name that there is.
    fn of_all(&self, capability: Capability) -> Answer {
        let report = self.subject.survey.rights.report_of(capability);
        let permission = capability.word().to_owned();
        let is_whole = report.in_force.iter().any(|extent| {
            extent.names == Names::All && extent.within.is_none() && report.denied.is_empty()
        });
        if report.why_not.is_none() && !is_whole {
            let reason = format!("only for {}", names(&report));
            let advice = Some(format!("name one to ask about it: `{permission}:NAME`"));
            let (allowed, place) = (false, None);
            let not_enforced = self.not_enforced(capability);
            let rule = "partly";
            return Answer { permission, allowed, rule, reason, place, advice, not_enforced };
        }
        // Nothing tells ordinary names apart, so any of them stands for all.
        let name = if capability.argument() == Argument::Path { "/" } else { "x" };
        self.of_one(permission, Access::to(capability, name.as_bytes()))
    }

    /// A rule as a stable word, in words, and where it stands.
    fn rule(&self, rule: Rule<'_>) -> (&'static str, String, Option<Place>) {
        let policy = &self.subject.plan.policy;
        let (name, places) = (&*policy.name, &self.surveyed.places);
        match rule {
            Rule::Preset => {
                let reason = format!("the preset `{}` grants it", policy.preset.word());
                ("preset", reason, places.policy(name))
            }
            Rule::Grant(grant) => {
                let reason = format!("`grants` of the policy `{name}` has `{grant}`");
                ("grant", reason, places.grant(name, grant))
            }
            Rule::Denial(denial) => {
                let reason = format!("`denials` of the policy `{name}` has `{denial}`");
                ("denial", reason, places.denial(name, denial))
            }
            Rule::NotAsked => ("not_asked", "its plugin.toml does not ask for it".to_owned(), None),
            Rule::Routing => {
                let reason = "the field routes requests, which takes `route`".to_owned();
                ("routing", reason, places.policy(name))
            }
            Rule::Framing => {
                let reason = "the field frames messages, and no grant names it".to_owned();
                ("framing", reason, places.policy(name))
            }
            Rule::NotGranted | Rule::Limit(_) | _ => {
                let reason = format!("nothing grants it: the policy is `{name}`");
                ("not_granted", reason, places.policy(name))
            }
        }
    }

    /// What to do so that it is allowed.
    fn advice(&self, permission: &str, access: Access<'_>, rule: Rule<'_>) -> String {
        if let Rule::Denial(denial) = rule {
            format!("take `{denial}` out of `denials`, or narrow it down")
        } else if rule == Rule::NotAsked {
            self.advice_to_ask(permission, access)
        } else if rule == Rule::Routing {
            self.advice_to_grant("route")
        } else {
            self.advice_to_grant(permission)
        }
    }

    fn advice_to_ask(&self, permission: &str, access: Access<'_>) -> String {
        let survey = &self.subject.survey;
        let manifest = survey.manifest.as_ref().map(|path| path.display().to_string());
        let manifest = manifest.unwrap_or_else(|| "plugin.toml".to_owned());
        let mut advice = format!("its author adds \"{permission}\" to `permissions` in {manifest}");
        let plan = &self.subject.plan;
        if !Rights::new(&plan.policy, None, plan.shared_namespace()).allows(access) {
            let _always = write!(advice, "; then {}", self.advice_to_grant(permission));
        }
        advice
    }

    fn advice_to_grant(&self, permission: &str) -> String {
        let plan = &self.subject.plan;
        let (policy, preset) = (&*plan.policy.name, plan.policy.preset.word());
        if self.surveyed.places.policy(policy).is_some() {
            return format!("add \"{permission}\" to `grants` of the policy `{policy}`");
        }
        let name = &plan.name;
        format!(
            "add `{{ name: {name}-policy, preset: {preset}, grants: [\"{permission}\"] }}` to \
             `policies`, and `policy: {name}-policy` to the plugin{}",
            self.at(self.surveyed.places.plugin(name.as_str()))
        )
    }

    fn at(&self, place: Option<Place>) -> String {
        let file = self.surveyed.file.display();
        place.map_or_else(String::new, |at| format!(" ({file}:{}:{})", at.line, at.column))
    }

    fn text(&self, answer: &Answer) -> String {
        let Answer { permission, reason, advice, .. } = answer;
        let verdict = if answer.allowed { "yes" } else { "no" };
        let mut text = format!("{verdict}: `{permission}`: {reason}{}\n", self.at(answer.place));
        if let Some(advice) = advice {
            let _always = writeln!(text, "  to change that: {advice}");
        }
        if let Some(why) = answer.not_enforced {
            let _always = writeln!(text, "  not enforced here: {why}");
        }
        text
    }

    fn json(&self, answer: &Answer) -> Value {
        let place = answer.place.map(|place| {
            let file = self.surveyed.file.display().to_string();
            json!({ "file": file, "line": place.line, "column": place.column })
        });
        json!({
            "permission": answer.permission,
            "allowed": answer.allowed,
            "rule": answer.rule,
            "reason": answer.reason,
            "place": place,
            "advice": answer.advice,
            "not_enforced": answer.not_enforced,
        })
    }
}
