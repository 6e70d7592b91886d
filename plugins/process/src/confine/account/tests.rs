//! Names and numbers of users.

use super::*;

const OWN: Identity = Identity { user: 7, group: 8 };

fn account(text: &str) -> Account {
    text.parse().map_or_else(|_name| Account::Name(text.into()), Account::Number)
}

fn lists() -> Lists {
    Lists {
        users: "# users\nroot:x:0:0:root:/root:/bin/sh\nbroken\nodd:x:many:1:::\n\
                web:x:33:34:web:/var/www:/bin/false\n"
            .to_owned(),
        groups: "root:x:0:\nlogs:x:4:web,other\nweb:x:34:\n".to_owned(),
    }
}

fn identify(user: Option<&str>, group: Option<&str>) -> Result<Identity, AccountError> {
    let (user, group) = (user.map(account), group.map(account));
    lists().identity(user.as_ref(), group.as_ref(), OWN)
}

#[track_caller]
fn check(user: Option<&str>, group: Option<&str>, expect: (u32, u32)) {
    let found = identify(user, group).unwrap();
    assert_eq!((found.user, found.group), expect);
}

#[track_caller]
fn refuse(user: Option<&str>, group: Option<&str>, expect: &str) {
    let error = identify(user, group).unwrap_err().to_string();
    assert!(error.contains(expect), "{error}");
}

#[test]
fn users_and_groups_are_names_or_numbers() {
    check(Some("web"), None, (33, 34));
    check(Some("33"), None, (33, 34));
    check(Some("web"), Some("logs"), (33, 4));
    check(Some("1234"), Some("5678"), (1234, 5678));
    check(None, Some("logs"), (7, 4));
    check(Some("root"), None, (0, 0));
}

#[test]
fn who_is_not_known_is_refused_in_words() {
    refuse(Some("nobody-here"), None, "`sandbox.user`: there is no `nobody-here` in /etc/passwd");
    refuse(Some("web"), Some("nowhere"), "`sandbox.group`: there is no `nowhere` in /etc/group");
    refuse(Some("1234"), None, "no user 1234");
    // What is no entry is nobody's name.
    refuse(Some("odd"), None, "no `odd`");
    refuse(Some("# users"), None, "there is no");
    refuse(Some(""), None, "there is no");
}

#[test]
fn only_root_makes_others_of_its_children() {
    let sandbox = SandboxSettings {
        user: Some(Account::Number(geteuid().as_raw() + 1)),
        group: Some(account("1")),
        ..SandboxSettings::default()
    };
    let found = identity(&sandbox);
    if geteuid().is_root() {
        assert_eq!(found.unwrap(), Some(Identity { user: 1, group: 1 }));
    } else {
        assert!(found.unwrap_err().to_string().contains("started as root"));
    }
    // Nobody asked, or nothing is confined.
    assert_eq!(identity(&SandboxSettings::default()).unwrap(), None);
    let free = SandboxSettings { enabled: false, ..sandbox };
    assert_eq!(identity(&free).unwrap(), None);
}
