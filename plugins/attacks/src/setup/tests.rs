use super::*;
use crate::all;

fn setup<'a>(folder: &'a Path, program: &'a Path) -> Setup<'a> {
    let address = SocketAddr::from(([127, 0, 0, 1], 4711));
    Setup { folder, program, upstream: (address, address), quiet: address, trap: address }
}

#[test]
fn every_attack_has_a_plugin_a_policy_and_a_way_to_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = setup(folder.path(), Path::new("/usr/bin/mortise")).text(&all());
    for attack in all() {
        let name = attack.name;
        assert!(text.contains(&format!("{{ name: {name}, backend: {}", attack.form.backend())));
        assert!(text.contains(&format!("policy: {name}")), "{name}");
        let way = match attack.drive {
            Drive::Bytes => format!("  - {{ name: {name}, address:"),
            Drive::Exchange | Drive::Report => format!("prefix: /{name}/ }}"),
        };
        assert!(text.contains(&way), "{name}");
    }
}

#[test]
fn a_run_without_attacks_has_no_plugins() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = setup(folder.path(), Path::new("/usr/bin/mortise")).text(&[]);
    assert!(!text.contains("plugins:") && text.contains("prefix: / }"), "{text}");
}

#[test]
fn where_no_script_can_name_the_program_there_are_no_children() {
    let program = Path::new("/opt/my programs/mortise");
    assert_eq!(setup(Path::new("/a/b"), program).no_script(), None);
    for folder in ["/a/my files", &"/a".repeat(100)] {
        let why = setup(Path::new(folder), program).no_script();
        assert!(why.is_some_and(|why| why.contains("TMPDIR")), "{folder}");
    }
}

#[test]
fn all_files_are_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let setup = setup(folder.path(), Path::new("/usr/bin/mortise"));
    setup.write(&all()).expect("written");
    let script = fs::read_to_string(folder.path().join("children/evil")).expect("a script");
    let link = folder.path().join("children/mortise");
    assert_eq!(script, format!("#!{} plugin-attack\n", link.display()));
    assert_eq!(fs::read_link(link).expect("a link"), Path::new("/usr/bin/mortise"));
    // The second configuration finds the link of the first.
    setup.write(&[]).expect("written again");
    assert!(folder.path().join("modules/victim.wasm").exists());
    assert!(folder.path().join("modules/loop_tick.wasm").exists());
    assert!(setup.config().exists());
}
