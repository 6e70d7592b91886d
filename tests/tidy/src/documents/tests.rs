use super::*;
use crate::tests::holds;

fn read(path: &str) -> String {
    std::fs::read_to_string(crate::tree::root().join(path)).expect(path)
}

fn files() -> Vec<File> {
    crate::tree::files().expect("the tree can be read")
}

#[test]
fn the_map_names_every_crate() {
    let crates = crate::tree::crates().expect("cargo knows the workspace");
    holds(&map(&crates, &read("ARCHITECTURE.md")));
    let one =
        [Crate { name: "host-cellar".into(), folder: "host/cellar".into(), ..Crate::default() }];
    holds(&map(&one, "| `host/cellar` | bottles |"));
    assert_eq!(map(&one, "nothing of host cellars").len(), 1);
    assert_eq!(map(&[], &"line\n".repeat(MAP_LINES_MAX + 1)).len(), 1);
}

#[test]
fn every_command_in_a_document_exists() {
    let main = read("tests/xtask/src/main.rs");
    assert_eq!(tasks(&main), ["setup", "plugins", "demo", "test", "ci", "bench"]);
    holds(&commands(&files(), &main));
    let document = |text| [File::new("README.md", text)];
    holds(&commands(&document("Run `cargo xtask demo --check`."), &main));
    assert_eq!(commands(&document("Run `cargo xtask dance`."), &main).len(), 1);
}

#[test]
fn every_example_says_how_to_build_and_to_run_it() {
    holds(&examples(&files()));
    let source = File::new("plugin-examples/a/src/lib.rs", "");
    assert_eq!(examples(std::slice::from_ref(&source)).len(), 2);
    let readme = File::new("plugin-examples/a/README.md", "# a\n\n## Build\n\n## Run\n");
    holds(&examples(&[readme, source]));
}

#[test]
fn configurations_in_documents_are_found() {
    let text = "a\n```yaml\nlisteners:\n  - x\n```\nb\n```yaml\nplugins:\n```\n```yaml\n# c\nlisteners: []\n```\n";
    assert_eq!(configurations(text), ["listeners:\n  - x\n", "# c\nlisteners: []\n"]);
    assert!(configurations("```yaml\nlisteners:").is_empty());
}
