//! The configurations of the proxy under attack, and what they name.

use std::{
    fmt::Write as _,
    fs, io,
    net::SocketAddr,
    os::unix::fs::{DirBuilderExt, PermissionsExt, symlink},
    path::{Path, PathBuf},
};

use crate::{
    attack::{Attack, Drive, Form},
    child,
    modules::module,
};

/// The clusters beside the one that is granted.
const CLUSTERS: [&str; 3] = ["attacked", "bytes", "quiet"];
/// The longest path that stands in a script's first line, on any kernel.
const INTERPRETER_BYTES_MAX: usize = 120;

/// Where things are.
#[derive(Debug)]
pub(crate) struct Setup<'a> {
    /// A directory of the run's own.
    pub(crate) folder: &'a Path,
    /// The proxy's program.
    pub(crate) program: &'a Path,
    /// The upstream of the attacked routes: HTTP, and bytes.
    pub(crate) upstream: (SocketAddr, SocketAddr),
    /// The upstream of the neighbour.
    pub(crate) quiet: SocketAddr,
    /// A listener that nobody may reach.
    pub(crate) trap: SocketAddr,
}

impl Setup<'_> {
    pub(crate) fn config(&self) -> PathBuf {
        self.folder.join("mortise.yaml")
    }

    pub(crate) fn admin(&self) -> PathBuf {
        self.folder.join("admin.sock")
    }

    /// What the processes of a fork bomb have as their argument.
    pub(crate) fn mark(&self) -> String {
        format!("600.{}", std::process::id())
    }

    /// Writes the modules, the child and the configuration with these attacks.
    pub(crate) fn write(&self, attacks: &[Attack]) -> io::Result<()> {
        let modules = self.folder.join("modules");
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&modules)?;
        for name in attacks.iter().filter_map(module_of).chain(["victim"]) {
            fs::write(modules.join(format!("{name}.wasm")), module(name).unwrap_or_default())?;
        }
        self.write_child()?;
        // Beside it and renamed: the proxy watches the file.
        let draft = self.folder.join("draft");
        fs::write(&draft, self.text(attacks))?;
        fs::rename(draft, self.config())
    }

    /// The child is a script that starts the proxy's own program, by a link whose path a script can
    /// name: so no copy of the program is made for each of them.
    fn write_child(&self) -> io::Result<()> {
        let (script, link) = (self.script(), self.link());
        let folder = script.parent().unwrap_or(self.folder);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        match symlink(self.program, &link) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            Ok(()) | Err(_) => {}
        }
        fs::write(&script, format!("#!{} {}\n", link.display(), child::ARGUMENT))?;
        fs::set_permissions(script, fs::Permissions::from_mode(0o700))
    }

    fn script(&self) -> PathBuf {
        self.folder.join("children").join("evil")
    }

    fn link(&self) -> PathBuf {
        self.folder.join("children").join("mortise")
    }

    /// Why there can be no script here that starts the program, where there cannot.
    pub(crate) fn no_script(&self) -> Option<String> {
        let link = self.link().display().to_string();
        let is_named = link.len() <= INTERPRETER_BYTES_MAX && !link.contains(char::is_whitespace);
        (!is_named).then(|| format!("no script can name {link}: set TMPDIR to another place"))
    }

    fn text(&self, attacks: &[Attack]) -> String {
        let (http, tcp) = self.upstream;
        let [mut routes, mut listeners, mut plugins, mut policies] = [const { String::new() }; 4];
        for attack in attacks {
            self.entries(attack, [&mut routes, &mut listeners, &mut plugins, &mut policies]);
        }
        if !attacks.is_empty() {
            let victim = self.folder.join("modules/victim.wasm");
            let source = quoted(&victim.to_string_lossy());
            add(
                &mut plugins,
                format_args!("  - {{ name: victim, backend: wasm, source: {source} }}"),
            );
            let filters = "stream_filters: [{ plugin: victim }]";
            add(
                &mut routes,
                format_args!(
                    "      - {{ match: {{ prefix: /victim/ }}, cluster: attacked, {filters} }}"
                ),
            );
            plugins.insert_str(0, "plugins:\n");
            policies.insert_str(0, "policies:\n");
        }
        format!(
            "workers: 1\n\
             drain_timeout_ms: 0\n\
             admin: {{ address: {admin} }}\n\
             log: {{ level: info }}\n\
             access_log: \"off\"\n\
             listeners:\n\
             {listeners}\
             \x20 - name: web\n\
             \x20   address: 127.0.0.1:0\n\
             \x20   routes:\n\
             {routes}\
             \x20     - {{ match: {{ prefix: / }}, cluster: quiet }}\n\
             clusters:\n\
             \x20 - {{ name: attacked, endpoints: [\"{http}\"], protocol: http2 }}\n\
             \x20 - {{ name: allowed, endpoints: [\"{http}\"], protocol: http2 }}\n\
             \x20 - {{ name: bytes, endpoints: [\"{tcp}\"] }}\n\
             \x20 - {{ name: quiet, endpoints: [\"{quiet}\"] }}\n\
             {plugins}{policies}",
            admin = quoted(&format!("unix:{}", self.admin().display())),
            quiet = self.quiet,
        )
    }

    /// The entries of an attack: its route or its listener, its plugin, its policy.
    fn entries(&self, attack: &Attack, texts: [&mut String; 4]) {
        let [routes, listeners, plugins, policies] = texts;
        let name = attack.name;
        let config = self.configuration(attack);
        let filter = match config {
            Some(config) => format!("{{ plugin: {name}, config: {} }}", quoted(&config)),
            None => format!("{{ plugin: {name} }}"),
        };
        match attack.drive {
            Drive::Exchange | Drive::Report => add(
                routes,
                format_args!(
                    "      - {{ match: {{ prefix: /{name}/ }}, cluster: attacked, \
                     stream_filters: [{filter}] }}"
                ),
            ),
            Drive::Bytes => add(
                listeners,
                format_args!(
                    "  - {{ name: {name}, address: \"127.0.0.1:0\", protocol: tcp, \
                     cluster: bytes, network_filters: [{filter}] }}"
                ),
            ),
        }
        let (source, settings) = self.source(attack);
        let backend = attack.form.backend();
        let source = quoted(&source.to_string_lossy());
        add(
            plugins,
            format_args!(
                "  - {{ name: {name}, backend: {backend}, source: {source}, policy: {name}{settings} }}"
            ),
        );
        add(policies, format_args!("  - {{ name: {name}, {} }}", self.policy(attack)));
    }

    fn policy(&self, attack: &Attack) -> String {
        match attack.form {
            Form::Module(_) => attack.policy.to_owned(),
            // It must be able to read the program that it is.
            Form::Child(_) => {
                let grant = quoted(&format!("files.read:{}", self.program.display()));
                let more = if attack.policy.is_empty() { "" } else { ", " };
                // Not every machine has a control group for its memory.
                let memory = "allow_unenforced: [memory]";
                format!("preset: default, grants: [{grant}], {memory}{more}{}", attack.policy)
            }
        }
    }

    /// The plugin's source, and its further settings.
    fn source(&self, attack: &Attack) -> (PathBuf, String) {
        let more = attack.settings;
        match attack.form {
            Form::Module(name) => {
                let more = if more.is_empty() { String::new() } else { format!(", {more}") };
                (self.folder.join("modules").join(format!("{name}.wasm")), more)
            }
            Form::Child(_) => {
                let read = quoted(&self.program.to_string_lossy());
                let sandbox = format!("sandbox: {{ read: [{read}], memory_mib: 256 }}");
                (self.script(), format!(", process: {{ {more}, {sandbox} }}"))
            }
        }
    }

    /// What a plugin is configured with.
    fn configuration(&self, attack: &Attack) -> Option<String> {
        let admin = self.admin().display().to_string();
        let own = self.config().display().to_string();
        match attack.form {
            Form::Module("ssrf") => {
                let mut targets = targets(self.trap);
                if attack.name == "ssrf_granted" {
                    targets.retain(|target| !CLUSTERS.contains(&target.as_str()));
                }
                Some(targets.join("\n"))
            }
            Form::Module(_) => None,
            Form::Child(word @ ("files" | "secrets")) => Some(format!("{word} {own}")),
            Form::Child(word @ "sockets") => Some(format!("{word} {} {admin}", self.trap)),
            Form::Child(word @ "ssrf") => Some(format!("{word} {}", targets(self.trap).join(" "))),
            Form::Child(word @ "forks") => Some(format!("{word} {}", self.mark())),
            Form::Child(word) => Some(word.to_owned()),
        }
    }
}

/// What a plugin may take for the name of a cluster to get where it must not: addresses in all
/// their spellings, URLs, services of clouds, names that look like one that is granted.
#[must_use]
pub fn targets(trap: SocketAddr) -> Vec<String> {
    let port = trap.port();
    let hosts = [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "127.1",
        "0",
        "0.0.0.0",
        "127.0.0.1.nip.io",
        "[::]",
        "127.000.000.001",
        "[0:0:0:0:0:0:0:1]",
        "LOCALHOST",
        "localhost.",
    ];
    let mut all = Vec::new();
    for host in hosts {
        all.push(format!("{host}:{port}"));
        all.push(format!("http://{host}:{port}/"));
    }
    let metadata = [
        "169.254.169.254",
        "169.254.169.254:80",
        "http://169.254.169.254/latest/meta-data/",
        "metadata.google.internal",
        "http://metadata.google.internal/computeMetadata/v1/",
        "100.100.100.200",
        "192.0.0.192",
        "[fd00:ec2::254]",
        "http://[fd00:ec2::254]/",
        "168.63.129.16",
        "169.254.170.2",
        "2852039166",
        "0xa9fea9fe",
        "[::ffff:169.254.169.254]",
        "kubernetes.default.svc",
        "https://10.0.0.1:443",
    ];
    all.extend(metadata.map(str::to_owned));
    let alike = [
        "Allowed",
        "ALLOWED",
        "allowed.",
        "allowed:80",
        "allowed/",
        "/allowed",
        "allowed/../quiet",
        "allowed%00",
        "allowed,quiet",
        "",
    ];
    all.extend(alike.into_iter().chain(CLUSTERS).map(str::to_owned));
    all.push(format!("allowed@127.0.0.1:{port}"));
    all.push(format!("http://allowed@127.0.0.1:{port}/"));
    all.push(format!("outbound|{port}||127.0.0.1"));
    all.push("unix:/run/docker.sock".to_owned());
    all.push("file:///etc/passwd".to_owned());
    all
}

fn module_of(attack: &Attack) -> Option<&'static str> {
    match attack.form {
        Form::Module(name) => Some(name),
        Form::Child(_) => None,
    }
}

fn add(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _always = writeln!(text, "{line}");
}

/// A text as YAML and JSON write it.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests;
