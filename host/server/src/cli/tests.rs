use serde_json::json;

use super::*;

const COMMANDS: Commands<'static> = Commands {
    run: &|options| {
        let name = options.config.to_string_lossy().into_owned();
        match name.as_str() {
            "bad.yaml" => Err(Failure::Findings(miette::miette!("unknown key in {name}"))),
            "taken.yaml" => Err(Failure::Unreachable(miette::miette!("address in use"))),
            _ => Ok(()),
        }
    },
    check: &|path| {
        let is_clean = path != Path::new("bad.yaml");
        CheckReport {
            is_clean,
            text: if is_clean { String::new() } else { "unknown key".to_owned() },
            json: json!({ "ok": is_clean }),
        }
    },
    policy: &|command| match command {
        PolicyCommand::Explain { plugin, .. } if plugin == "nobody" => {
            Err(Failure::Usage(miette::miette!("no plugin `nobody`")))
        }
        PolicyCommand::Explain { permission, config, .. } => Ok(CheckReport {
            is_clean: permission.to_string() == "log",
            text: format!("{permission} in {}\n", config.expect("a file").display()),
            json: json!({ "allowed": permission.to_string() == "log" }),
        }),
        PolicyCommand::Catalogue => {
            let text = "# Permissions\n".to_owned();
            Ok(CheckReport { is_clean: true, text, json: json!(null) })
        }
        PolicyCommand::Show { .. } | PolicyCommand::Record { .. } => {
            let text = "policies:\n".to_owned();
            Ok(CheckReport { is_clean: true, text, json: json!({ "plugins": [] }) })
        }
    },
    doctor: || CheckReport {
        is_clean: true,
        text: "Landlock: yes\n".to_owned(),
        json: json!({ "features": [] }),
    },
    attack: |filter| {
        let text = "0 of 1 attacks were contained\n".to_owned();
        Ok(CheckReport { is_clean: filter != "bad", text, json: json!({ "attacks": [] }) })
    },
    schema: || json!({ "type": "object" }),
    conformance: |command| {
        let is_clean = !matches!(&command, Conformance::Run { filter, .. } if filter == "bad");
        let (text, json) = ("1 case\n".to_owned(), json!({ "total": 1 }));
        Ok(CheckReport { is_clean, text, json })
    },
};

/// Exit code, standard output and standard error.
fn execute_in(places: &[&str], line: &str) -> (u8, String, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut console = Console { out: &mut out, err: &mut err, places };
    let arguments = std::iter::once(PROGRAM).chain(line.split_whitespace()).map(OsString::from);
    let exit = execute(&COMMANDS, arguments, &mut console) as u8;
    (exit, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

#[track_caller]
fn check(line: &str, exit: u8, out: &str, err: &str) {
    let result = execute_in(&["/nonexistent/a.yaml", "/nonexistent/b.yaml"], line);
    assert_eq!(result.0, exit, "{line}: {result:?}");
    assert!(result.1.contains(out), "{line}: {result:?}");
    assert!(result.2.contains(err), "{line}: {result:?}");
    assert_eq!(result.1.is_empty(), out.is_empty(), "{line}: {result:?}");
    assert_eq!(result.2.is_empty(), err.is_empty(), "{line}: {result:?}");
}

#[test]
fn the_definition_holds_together() {
    Arguments::command().debug_assert();
}

#[test]
fn exit_codes_say_what_kind_of_failure_it_was() {
    check("run -c good.yaml", 0, "", "");
    check("run --config bad.yaml", 1, "", "unknown key in bad.yaml");
    check("run --config taken.yaml", 3, "", "address in use");
    check("check -c good.yaml", 0, "good.yaml: ok\n", "");
    check("check -c bad.yaml", 1, "unknown key\n", "");
    check("doctor", 0, "Landlock: yes", "");
    check("doctor -o json", 0, "\"features\"", "");
    check("doctor --attack", 0, "attacks were contained", "");
    check("doctor --attack --filter bad", 1, "attacks were contained", "");
    check("doctor --attack -o json", 0, "\"attacks\"", "");
    check("doctor --filter bad", 2, "", "--attack");
    check("check -c bad.yaml --output json", 1, "\"ok\": false", "");
    check("check -c good.yaml -o json", 0, "\"ok\": true", "");
    check("", 2, "", "Usage: mortise <COMMAND>");
    check("fly", 2, "", "unrecognized subcommand 'fly'");
    check("run --confg x", 2, "", "--config");
    check("conformance run", 0, "1 case\n", "");
    check("conformance run --output json", 0, "\"total\": 1", "");
    check("conformance run --filter bad", 1, "1 case\n", "");
    check("conformance run --url http://127.0.0.1:1 --abi 0.3.0", 2, "", "0.3.0");
    check("conformance run --tcp 127.0.0.1:1", 2, "", "--url");
    check("check -o xml", 2, "", "[possible values: text, json]");
}

#[test]
fn policies_are_asked_about() {
    check("policy show -c a.yaml", 0, "policies:\n", "");
    check("policy show -c a.yaml -o json", 0, "\"plugins\": []", "");
    check("policy show", 2, "", "name a file with --config");
    check("policy explain p log -c a.yaml", 0, "log in a.yaml\n", "");
    check("policy explain p http_call:auth -c a.yaml", 1, "http_call:auth in a.yaml\n", "");
    check("policy explain p route -c a.yaml -o json", 1, "\"allowed\": false", "");
    check("policy explain nobody log -c a.yaml", 2, "", "no plugin `nobody`");
    check("policy explain p lgo -c a.yaml", 2, "", "there is no permission `lgo`");
    check("policy explain p http_call:a* -c a.yaml", 2, "", "without a `*`");
    check("policy explain p", 2, "", "<PERMISSION>");
    check("policy record -c a.yaml --for 5", 0, "policies:\n", "");
    check("policy record -c a.yaml --for 0", 2, "", "--for");
    check("policy catalogue", 0, "# Permissions\n", "");
    check("policy", 2, "", "Usage: mortise policy <COMMAND>");
}

#[test]
fn what_prints_goes_to_standard_output() {
    check("--version", 0, concat!("mortise ", env!("CARGO_PKG_VERSION"), "\n"), "");
    check("--help", 0, "Exit codes: 0 fine", "");
    check("run --help", 0, "SIGHUP reloads", "");
    check("schema", 0, "\"type\": \"object\"", "");
    check("man", 0, ".TH mortise 1", "");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        check(&format!("completions {shell}"), 0, "mortise", "");
    }
}

#[test]
fn without_a_name_the_usual_places_are_searched() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("mortise.yaml");
    let place = place.to_str().unwrap();
    check("check", 2, "", "neither /nonexistent/a.yaml nor /nonexistent/b.yaml");
    std::fs::write(place, "").unwrap();
    let (exit, out, _err) = execute_in(&["/nonexistent/a.yaml", place], "check");
    assert_eq!((exit, out), (0, format!("{place}: ok\n")));
}

struct Closed(io::ErrorKind);

impl Write for Closed {
    fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
        Err(self.0.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_reader_that_leaves_early_is_no_failure_and_a_full_disk_is() {
    for (kind, expect) in
        [(io::ErrorKind::BrokenPipe, Exit::Ok), (io::ErrorKind::StorageFull, Exit::Unreachable)]
    {
        let mut err = Vec::new();
        let mut console = Console { out: &mut Closed(kind), err: &mut err, places: &CONFIG_PLACES };
        let arguments = ["mortise", "schema"].map(OsString::from);
        assert_eq!(execute(&COMMANDS, arguments, &mut console), expect);
    }
}
