//! What rights should be, said as simply as can be: slow, and on texts alone.

use super::words::Lists;
use crate::{FRAMING, Preset, ROUTING};

pub(super) struct Model<'a> {
    pub(super) preset: Preset,
    pub(super) lists: &'a Lists,
    pub(super) own: &'a str,
}

/// Whether a name is like a pattern.
pub(super) fn is_like(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), None) => is_like(rest, name),
        (Some((b'*', rest)), Some((_, behind))) => is_like(rest, name) || is_like(pattern, behind),
        (Some((wanted, rest)), Some((byte, behind))) => wanted == byte && is_like(rest, behind),
        (None, Some(_)) | (Some(_), None) => false,
    }
}

/// Whether a denial is about something on the way to a place, or in it.
fn meets(denial: &str, name: &str) -> bool {
    let Some(("files.read" | "files", place)) = denial.split_once(':') else { return false };
    let clean = |path: &str| {
        let parts = path.split('/').filter(|part| !part.is_empty() && *part != ".");
        parts.map(|part| format!("/{part}")).collect::<String>() + "/"
    };
    let (place, name) = (clean(place), clean(name));
    let climbs = place.contains("/../") || name.contains("/../");
    climbs || place.starts_with(&name) || name.starts_with(&place)
}

impl Model<'_> {
    pub(super) fn allows(&self, word: &str, name: &str) -> bool {
        if self.denies(word, name) {
            return false;
        }
        let writes = word.starts_with("headers.") && word.ends_with(".write");
        let lower = name.to_lowercase();
        if writes && ROUTING.contains(&&*lower) {
            return self.allows("route", "");
        }
        if !self.asks(word, name) {
            return false;
        }
        if writes && FRAMING.contains(&&*lower) {
            let is_named = self.lists.grants.iter().any(|grant| {
                let (_, pattern) = grant.split_once(':').unwrap_or((grant, "*"));
                !pattern.contains('*') && self.has(grant, word, name)
            });
            return self.preset == Preset::Trusted || is_named;
        }
        self.grants(word, name)
    }

    pub(super) fn denies(&self, word: &str, name: &str) -> bool {
        self.lists.denials.iter().any(|denial| {
            self.has(denial, word, name) || (word == "files.read" && meets(denial, name))
        })
    }

    pub(super) fn asks(&self, word: &str, name: &str) -> bool {
        let asked = self.lists.asked.as_ref();
        asked.is_none_or(|asked| asked.iter().any(|one| self.has(one, word, name)))
    }

    pub(super) fn grants(&self, word: &str, name: &str) -> bool {
        let preset = self.preset.grants().into_iter().map(|grant| grant.to_string());
        let mut all = preset.chain(self.lists.grants.iter().cloned());
        all.any(|grant| self.has(&grant, word, name))
    }

    /// Whether a permission is about this.
    fn has(&self, permission: &str, word: &str, name: &str) -> bool {
        let (named, pattern) = match permission.split_once(':') {
            Some((named, pattern)) => (named, Some(pattern)),
            None => (permission, None),
        };
        if word != named && !word.starts_with(&format!("{named}.")) {
            return false;
        }
        let lower = name.to_lowercase();
        let names: &[&str] = match &*lower {
            "host" | ":authority" if word.starts_with("headers.request.") => {
                &["host", ":authority"]
            }
            lower if word.starts_with("headers.") => &[lower],
            _ => &[name],
        };
        let fold = |text: &str| {
            if word.starts_with("headers.") { text.to_lowercase() } else { text.to_owned() }
        };
        match pattern {
            None if word.starts_with("shared_data.") || word == "queues" => name == self.own,
            None => true,
            Some("*") => true,
            Some(place) if word == "files.read" => {
                let place = place.trim_end_matches('/');
                let is_below = name == place || name.starts_with(&format!("{place}/"));
                is_below && !name.split('/').any(|part| part == "..")
            }
            Some(pattern) => {
                names.iter().any(|name| is_like(fold(pattern).as_bytes(), name.as_bytes()))
            }
        }
    }
}
