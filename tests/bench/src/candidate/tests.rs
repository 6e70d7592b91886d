use super::*;

fn setting(folder: &Path) -> Setting {
    Setting {
        mortise: PathBuf::from("/nowhere/mortise"),
        plugins: folder.join("plugins"),
        folder: folder.to_path_buf(),
        upstream: "127.0.0.1:9".parse().unwrap(),
    }
}

#[test]
fn a_base_is_a_candidate_that_stands_before() {
    for (index, entry) in ENTRIES.iter().enumerate() {
        if let Some(base) = entry.base {
            assert!(ENTRIES[..index].iter().any(|other| other.name == base), "{base}");
        }
    }
}

#[test]
fn only_what_is_named_is_chosen_and_a_wrong_name_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let chosen = choose(&setting(folder.path()), &["mortise".to_owned()]).unwrap();
    assert_eq!(chosen.iter().map(|one| one.entry.name).collect::<Vec<_>>(), ["mortise"]);
    let error = choose(&setting(folder.path()), &["ngnix".to_owned()]).unwrap_err();
    assert!(error.to_string().contains("`ngnix`"), "{error}");
}

#[test]
fn a_filter_that_is_not_built_is_left_out_with_a_word() {
    let folder = tempfile::tempdir().unwrap();
    let entry = ENTRIES.iter().find(|entry| entry.name == "greet").unwrap();
    let missing = candidate(entry, &setting(folder.path())).unwrap().unwrap_err();
    assert!(missing.contains("cargo xtask plugins"), "{missing}");
}

#[test]
fn a_configuration_has_what_its_candidate_is_for() {
    let folder = tempfile::tempdir().unwrap();
    for file in ["greet.wasm", "libgreet.so", "greet"] {
        fs::create_dir_all(folder.path().join("plugins")).unwrap();
        fs::write(folder.path().join("plugins").join(file), b"not looked at").unwrap();
    }
    for entry in ENTRIES.iter().filter(|entry| matches!(entry.kind, Kind::Mortise { .. })) {
        let made = candidate(entry, &setting(folder.path())).unwrap().unwrap();
        let text = fs::read_to_string(folder.path().join(entry.name).join("mortise.yaml")).unwrap();
        assert_eq!(text.contains(".log\""), made.access_log.is_some(), "{text}");
        assert_eq!(
            text.contains("[request_headers"),
            entry.proof.is_some() && entry.name != "greet-all-phases"
        );
        assert_eq!(text.contains("allow"), entry.name == "greet-native", "{text}");
        assert_eq!(text.contains("x-bench"), entry.proof.is_some(), "{text}");
    }
}
