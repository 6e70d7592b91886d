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
    assert_eq!(
        tasks(&main),
        ["setup", "plugins", "demo", "test", "compare", "ci", "matrix", "torture", "bench"]
    );
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

/// Loads a configuration where the modules that it names exist.
fn load(name: &str, text: &str) -> Result<(), String> {
    let place = tempfile::tempdir().expect("a temporary directory");
    let folder = place.path().join("examples/one");
    std::fs::create_dir_all(&folder).expect("a folder");
    for source in text.split("source:").skip(1) {
        let path = source.trim_start().split([' ', ',', '}', '\n']).next().unwrap_or_default();
        let module = folder.join(path);
        std::fs::create_dir_all(module.parent().expect("a parent")).expect("a folder");
        std::fs::write(module, b"\0asm\x01\0\0\0").expect("a module");
    }
    let file = folder.join(name);
    std::fs::write(&file, text).expect("a file");
    host_config::load(&file).map(|_| ()).map_err(|errors| format!("{name}: {errors}"))
}

#[test]
fn every_example_configuration_loads() {
    let mut seen = 0;
    for file in files() {
        let name = file.path.replace('/', "-");
        if file.path.starts_with("plugin-examples/") && file.path.ends_with(".yaml") {
            load(&name, &file.text).unwrap_or_else(|wrong| panic!("{wrong}"));
            seen += 1;
        }
        if file.path.ends_with(".md") {
            for block in configurations(&file.text) {
                load(&format!("{name}.yaml"), &block).unwrap_or_else(|wrong| panic!("{wrong}"));
                seen += 1;
            }
        }
    }
    assert!(seen > 0, "there is no example at all");
    assert!(load("bad.yaml", "listeners: []\nclusterz: []\n").is_err());
}
