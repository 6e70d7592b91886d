//! Native libraries.

use host_types::{NativeAllowed, NativeSettings, RunIn};

use super::Scope;
use crate::{
    cursor::Cursor,
    model::{NativeAllowConfig, NativeConfig, NativePluginConfig, RunInWord},
};

/// What may be loaded; the same for all plugins.
pub(super) fn allowed(
    model: &NativeConfig,
    at: &Cursor<'_>,
    scope: &Scope<'_>,
) -> Vec<NativeAllowed> {
    let at = at.key("allow");
    at.zip(&model.allow).filter_map(|(at, model)| entry(model, &at, scope)).collect()
}

pub(super) fn native(model: NativePluginConfig, allow: &[NativeAllowed]) -> NativeSettings {
    NativeSettings {
        run_in: match model.run_in {
            RunInWord::Proxy => RunIn::Proxy,
            RunInWord::Runner => RunIn::Runner,
        },
        allow: allow.to_vec(),
    }
}

fn entry(model: &NativeAllowConfig, at: &Cursor<'_>, scope: &Scope<'_>) -> Option<NativeAllowed> {
    match (&model.sha256, &model.directory) {
        (Some(digest), None) => match sha256(digest) {
            Some(digest) => Some(NativeAllowed::Sha256(digest)),
            None => {
                let message = "a SHA-256 has 64 hexadecimal digits";
                at.key("sha256").refuse_with(message, "no SHA-256", "as `sha256sum FILE` prints it")
            }
        },
        (None, Some(directory)) => Some(NativeAllowed::Directory(scope.path(directory))),
        (Some(_), Some(_)) | (None, None) => at.refuse_with(
            "an entry names either a `sha256` or a `directory`",
            "one of them",
            "write `{ sha256: … }` or `{ directory: … }`",
        ),
    }
}

fn sha256(text: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (place, byte) in digest.iter_mut().enumerate() {
        let digits = text.get(place * 2..place * 2 + 2)?;
        if digits.starts_with('+') {
            return None;
        }
        *byte = u8::from_str_radix(digits, 16).ok()?;
    }
    Some(digest)
}
