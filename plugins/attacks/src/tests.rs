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

/// `UPDATE_EXPECT=1` writes it anew.
#[test]
fn the_readme_lists_every_attack() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let readme = std::fs::read_to_string(path).expect("a page");
    let (before, listed) = readme.split_once(TABLE).expect("a table");
    let line = |attack: &Attack| {
        let word = attack.held_by.word();
        format!("| `{}` | {} | {word} |\n", attack.name, attack.about)
    };
    let right: String = all().iter().map(line).collect();
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(path, format!("{before}{TABLE}{right}")).expect("written");
    } else {
        assert_eq!(listed, right);
    }
}

/// What stands above the list.
const TABLE: &str = "| name | does | held by |\n|---|---|---|\n";
