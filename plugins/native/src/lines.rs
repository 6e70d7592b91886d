//! How a plugin's words are told.

/// Most characters of a plugin's words in a story.
const SAID_CHARS_MAX: usize = 1000;

/// Words of a plugin in one harmless line.
pub(crate) fn harmless(said: &str) -> String {
    let kept = said.chars().take(SAID_CHARS_MAX);
    kept.flat_map(|character| {
        let is_harmless = !character.is_control();
        let escaped = (!is_harmless).then(|| character.escape_debug());
        is_harmless.then_some(character).into_iter().chain(escaped.into_iter().flatten())
    })
    .collect()
}

#[cfg(test)]
mod tests;
