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
fn a_program_whose_path_no_script_can_name_is_started_as_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    for (program, by_script) in [
        ("/usr/bin/mortise", true),
        ("/opt/my programs/mortise", false),
        ("/a".repeat(100).as_str(), false),
    ] {
        let text = setup(folder.path(), Path::new(program)).text(&all());
        assert_eq!(text.contains("children/evil"), by_script, "{program}");
        assert_eq!(text.contains("arguments: [plugin-attack]"), !by_script, "{program}");
    }
}

#[test]
fn all_files_are_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let setup = setup(folder.path(), Path::new("/usr/bin/mortise"));
    setup.write(&all()).expect("written");
    let script = fs::read_to_string(folder.path().join("children/evil")).expect("a script");
    assert_eq!(script, "#!/usr/bin/mortise plugin-attack\n");
    assert!(folder.path().join("modules/victim.wasm").exists());
    assert!(folder.path().join("modules/loop_tick.wasm").exists());
    assert!(setup.config().exists());
}
