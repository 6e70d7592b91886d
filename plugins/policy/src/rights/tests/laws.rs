//! Laws of rights: what is asked and granted and not denied is allowed, and nothing else.
//!
//! The model beside it works on the texts of permissions and shares no code with the crate.

mod model;
mod words;

use proptest::{collection::vec, option, prelude::*};

use self::words::{Lists, accesses, lists, permissions, presets};
use crate::{Access, Capability, FieldClass, Policy, Preset, Rights, Rule, class_of};

const OWN: &str = "own";

fn rights(preset: Preset, lists: &Lists) -> Rights {
    let policy = Policy {
        grants: permissions(&lists.grants),
        denials: permissions(&lists.denials),
        ..Policy::of(preset)
    };
    let asked = lists.asked.as_deref().map(permissions);
    Rights::new(&policy, asked.as_deref(), OWN)
}

fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// Routing fields take another permission than their capability's.
fn routes(access: Access<'_>) -> bool {
    let writes = [Capability::HeadersRequestWrite, Capability::HeadersResponseWrite];
    writes.contains(&access.capability) && class_of(access.name) == FieldClass::Routing
}

proptest! {
    #![proptest_config(cases(600))]

    #[test]
    fn what_is_allowed_is_what_the_model_allows(
        preset in presets(), lists in lists(), wanted in accesses(),
    ) {
        let rights = rights(preset, &lists);
        let model = model::Model { preset, lists: &lists, own: OWN };
        for (capability, name) in &wanted {
            let access = Access::to(*capability, name.as_bytes());
            let expect = model.allows(capability.word(), name);
            prop_assert_eq!(rights.allows(access), expect, "{:?} {}", capability, name);
            prop_assert_eq!(rights.explain(access).allows(), expect);
        }
    }

    #[test]
    fn nothing_is_allowed_that_was_not_both_asked_and_granted_or_that_was_denied(
        preset in presets(), lists in lists(), wanted in accesses(),
    ) {
        let rights = rights(preset, &lists);
        let model = model::Model { preset, lists: &lists, own: OWN };
        for (capability, name) in &wanted {
            let access = Access::to(*capability, name.as_bytes());
            if !rights.allows(access) {
                continue;
            }
            let word = if routes(access) { "route" } else { capability.word() };
            prop_assert!(model.asks(word, name), "{} {} was not asked", word, name);
            prop_assert!(model.grants(word, name), "{} {} was not granted", word, name);
            prop_assert!(!model.denies(word, name), "{} {} was denied", word, name);
            prop_assert!(!model.denies(capability.word(), name));
        }
    }

    #[test]
    fn a_grant_takes_nothing_away_and_a_denial_gives_nothing(
        preset in presets(),
        lists in lists(),
        more in words::permission_texts(),
        wanted in accesses(),
    ) {
        let before = rights(preset, &lists);
        let mut granted = lists.clone();
        granted.grants.extend(more.clone());
        let granted = rights(preset, &granted);
        let mut denied = lists.clone();
        denied.denials.extend(more.clone());
        let denied = rights(preset, &denied);
        let mut asking = lists.clone();
        asking.asked = asking.asked.map(|asked| [asked, more].concat());
        let asking = rights(preset, &asking);
        for (capability, name) in &wanted {
            let access = Access::to(*capability, name.as_bytes());
            let was = before.allows(access);
            prop_assert!(!was || granted.allows(access), "a grant took {:?} away", access);
            prop_assert!(!was || asking.allows(access), "asking took {:?} away", access);
            prop_assert!(was || !denied.allows(access), "a denial gave {:?}", access);
        }
    }

    #[test]
    fn presets_are_nested(lists in lists(), wanted in accesses()) {
        for pair in Preset::ALL.windows(2) {
            let (narrow, wide) = (rights(pair[0], &lists), rights(pair[1], &lists));
            for (capability, name) in &wanted {
                let access = Access::to(*capability, name.as_bytes());
                prop_assert!(!narrow.allows(access) || wide.allows(access), "{:?}", access);
            }
        }
    }

    #[test]
    fn a_report_says_what_is_allowed(preset in presets(), lists in lists(), wanted in accesses()) {
        let rights = rights(preset, &lists);
        for (capability, name) in &wanted {
            let access = Access::to(*capability, name.as_bytes());
            let report = rights.report_of(*capability);
            let has_some = report.why_not.is_none();
            prop_assert_eq!(has_some, !report.in_force.is_empty());
            let allowed = rights.allows(access) && !routes(access);
            prop_assert!(!allowed || has_some, "{:?} is allowed: {}", access, report);
            if rights.allows_all(*capability) {
                prop_assert!(report.to_string().starts_with("all"), "{}", report);
            }
        }
    }

    #[test]
    fn a_rule_is_one_of_the_policy(preset in presets(), lists in lists(), wanted in accesses()) {
        let rights = rights(preset, &lists);
        for (capability, name) in &wanted {
            let rule = rights.explain(Access::to(*capability, name.as_bytes()));
            if let Rule::Grant(grant) = rule {
                prop_assert!(lists.grants.contains(&grant.to_string()));
            }
            if let Rule::Denial(denial) = rule {
                prop_assert!(lists.denials.contains(&denial.to_string()));
            }
        }
    }

    #[test]
    fn any_text_is_a_permission_or_refused(text in ".{0,300}") {
        if let Ok(permission) = text.parse::<crate::Permission>() {
            prop_assert_eq!(permission.to_string(), text);
            prop_assert!(permission.capabilities().next().is_some());
        }
    }

    #[test]
    fn patterns_match_as_the_model_says(
        pattern in "[abX*-]{1,10}", name in "[abxX-]{0,14}", ignore_case in any::<bool>(),
    ) {
        let Ok(parsed) = pattern.parse::<crate::Pattern>() else {
            prop_assert!(pattern.matches('*').count() > 8);
            return Ok(());
        };
        let fold = |text: &str| if ignore_case { text.to_lowercase() } else { text.to_owned() };
        let expect = model::is_like(fold(&pattern).as_bytes(), fold(&name).as_bytes());
        prop_assert_eq!(parsed.matches(name.as_bytes(), ignore_case), expect);
    }
}

/// A hostile plugin's manifest and names, as bad as they may be: without a bound, each of them
/// would keep a worker busy for minutes.
#[test]
#[expect(clippy::disallowed_methods, reason = "a bound on time is what is tested")]
fn hostile_patterns_and_names_are_compared_in_no_time() {
    let begun = std::time::Instant::now();
    let asked = (0..32).map(|number| {
        let start = "a".repeat(20 + number % 4);
        format!("headers.request.read:{start}*{start}*{start}*{start}b*{start}")
    });
    let lists = Lists { asked: Some(asked.collect()), ..Lists::default() };
    let rights = rights(Preset::Trusted, &lists);
    for length in (1..1024).map(|number| 256 - number % 4) {
        let name = "a".repeat(length);
        let access = Access::to(Capability::HeadersRequestRead, name.as_bytes());
        assert!(!rights.allows(access));
    }
    assert!(begun.elapsed() < std::time::Duration::from_secs(10), "{:?}", begun.elapsed());
}

proptest! {
    #![proptest_config(cases(100))]

    #[test]
    fn a_hostile_manifest_and_a_hostile_name_cost_little(
        letters in vec("a{1,25}", 2..9), name in "a{200,3000}b?", asked in option::of(Just(256)),
    ) {
        // Each `*` makes a matcher that tries everything multiply its work.
        let pattern = letters.join("*");
        let asks = vec![format!("foreign:{pattern}c"); asked.unwrap_or(1)];
        let lists = Lists { asked: Some(asks), ..Lists::default() };
        let rights = rights(Preset::Trusted, &lists);
        prop_assert!(!rights.allows(Access::to(Capability::Foreign, name.as_bytes())));
    }
}
