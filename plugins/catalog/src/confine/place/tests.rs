use std::os::unix::fs::symlink;

use super::*;

/// A directory with `secret`, `open`, and the link `link` to `secret`.
fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a directory");
    let path = fs::canonicalize(folder.path()).expect("a path");
    for name in ["secret", "open"] {
        fs::create_dir(path.join(name)).expect("made");
    }
    symlink("secret", path.join("link")).expect("linked");
    (folder, path)
}

#[test]
fn links_and_steps_back_lead_to_where_a_place_is() {
    let (_folder, base) = folder();
    let check = |text: &str, expect: &str| {
        let text = format!("{}/{text}", base.display());
        assert_eq!(real(Path::new(&text)).expect("a place"), base.join(expect), "{text}");
    };
    check("secret", "secret");
    check("link", "secret");
    check("./open/..//link/.", "secret");
    check("link/later/file", "secret/later/file");
    check("later/../link", "link");
    symlink("nowhere", base.join("dangling")).expect("linked");
    for text in ["dangling", "dangling/below"] {
        assert!(real(&base.join(text)).is_err(), "{text} leads anywhere, later");
    }
    assert_eq!(real(Path::new("/..")).expect("a place"), Path::new("/"));
    assert!(real(Path::new("relative")).expect("a place").is_absolute());
}

#[test]
fn a_denial_holds_for_where_it_leads() {
    let (_folder, base) = folder();
    let path = |name: &str| base.join(name);
    let denial = |name: &str| {
        let text = format!("files.read:{}", path(name).display());
        Policy { denials: vec![text.parse().expect("a permission")], ..Policy::default() }
    };
    let link = denial("link");
    for place in [path("secret"), path("secret/below"), base.clone(), PathBuf::from("/")] {
        assert_eq!(denied_by_link(&link, &place), Some(&link.denials[0]), "{}", place.display());
    }
    assert_eq!(denied_by_link(&link, &path("open")), None);
    assert_eq!(denied_by_link(&denial("nowhere"), &path("open")), None);
    assert_eq!(denied_by_link(&Policy::default(), &path("secret")), None);
}
