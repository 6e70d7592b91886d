use std::{collections::HashSet, net::SocketAddr};

use crate::{
    all,
    attack::{Attack, Form},
    module, names,
};

fn modules() -> HashSet<&'static str> {
    let of = |attack: &Attack| match attack.form {
        Form::Module(name) => Some(name),
        Form::Child(_) => None,
    };
    all().iter().filter_map(of).collect()
}

#[test]
fn every_module_has_an_attack_and_every_attack_its_module() {
    let used = modules();
    for name in &used {
        assert!(module(name).is_some_and(|bytes| bytes.starts_with(b"\0asm")), "{name}");
    }
    let unused: Vec<_> = names().filter(|name| !used.contains(name) && *name != "victim").collect();
    assert!(unused.is_empty(), "{unused:?}");
}

#[test]
fn names_are_words_and_unique() {
    let mut seen = HashSet::new();
    for attack in all() {
        assert!(attack.name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{attack:?}");
        assert!(seen.insert(attack.name), "{attack:?}");
        assert!(!attack.named.is_empty() && !attack.replies.is_empty(), "{attack:?}");
    }
}

#[test]
fn there_are_at_least_sixty_targets_and_all_differ() {
    let targets = crate::setup::targets(SocketAddr::from(([127, 0, 0, 1], 4711)));
    assert!(targets.len() >= 60, "{}", targets.len());
    assert_eq!(targets.iter().collect::<HashSet<_>>().len(), targets.len());
}
