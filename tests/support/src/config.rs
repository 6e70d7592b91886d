//! Writes configuration files: named sections out of YAML fragments.

use std::{fmt, net::SocketAddr, path::Path};

/// A configuration under construction. Fragments are YAML as it would stand inside the entry,
/// without indentation of its own.
#[derive(Clone, Debug, Default)]
pub struct Config {
    top: String,
    listeners: String,
    clusters: String,
    plugins: String,
    policies: String,
}

impl Config {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// One HTTP listener `web` that sends everything to the cluster `app`.
    #[must_use]
    pub fn to_app(upstream: SocketAddr) -> Self {
        Self::new().listener("web", ALL_TO_APP).cluster("app", upstream, "")
    }

    /// Adds top-level lines.
    #[must_use]
    pub fn top(mut self, lines: &str) -> Self {
        push_indented(&mut self.top, "", lines);
        self
    }

    /// Adds a listener on a free loopback port.
    #[must_use]
    pub fn listener(mut self, name: &str, lines: &str) -> Self {
        self.listeners.push_str(&format!("  - name: {name}\n    address: 127.0.0.1:0\n"));
        push_indented(&mut self.listeners, "    ", lines);
        self
    }

    /// Adds a cluster with one endpoint.
    #[must_use]
    pub fn cluster(self, name: &str, endpoint: SocketAddr, lines: &str) -> Self {
        self.cluster_of(name, &[endpoint], lines)
    }

    /// Adds a cluster.
    #[must_use]
    pub fn cluster_of(mut self, name: &str, endpoints: &[SocketAddr], lines: &str) -> Self {
        let list: Vec<_> = endpoints.iter().map(|endpoint| format!("\"{endpoint}\"")).collect();
        let entry = format!("  - name: {name}\n    endpoints: [{}]\n", list.join(", "));
        self.clusters.push_str(&entry);
        push_indented(&mut self.clusters, "    ", lines);
        self
    }

    /// Adds a Wasm plugin.
    #[must_use]
    pub fn plugin(self, name: &str, source: &Path, lines: &str) -> Self {
        self.plugin_on("wasm", name, source, lines)
    }

    /// Adds a plugin of any backend.
    #[must_use]
    pub fn plugin_on(mut self, backend: &str, name: &str, source: &Path, lines: &str) -> Self {
        let source = source.display();
        let entry = format!("  - name: {name}\n    backend: {backend}\n    source: \"{source}\"\n");
        self.plugins.push_str(&entry);
        push_indented(&mut self.plugins, "    ", lines);
        self
    }

    /// Adds a policy.
    #[must_use]
    pub fn policy(mut self, name: &str, lines: &str) -> Self {
        self.policies.push_str(&format!("  - name: {name}\n"));
        push_indented(&mut self.policies, "    ", lines);
        self
    }
}

const ALL_TO_APP: &str = "routes: [{ match: { prefix: / }, cluster: app }]";

fn push_indented(out: &mut String, indent: &str, lines: &str) {
    for line in lines.lines().filter(|line| !line.trim().is_empty()) {
        out.push_str(indent);
        out.push_str(line);
        out.push('\n');
    }
}

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.top)?;
        let sections = [
            ("listeners", &self.listeners),
            ("clusters", &self.clusters),
            ("plugins", &self.plugins),
            ("policies", &self.policies),
        ];
        for (name, entries) in sections.into_iter().filter(|(_, entries)| !entries.is_empty()) {
            write!(f, "{name}:\n{entries}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
