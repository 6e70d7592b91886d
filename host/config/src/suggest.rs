//! "Did you mean": the known word that is nearest to an unknown one.

/// The nearest known word, if one is near enough to be meant.
pub(crate) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // A long text is no misspelt word, and comparing it takes its length squared.
    if word.len() > WORD_BYTES_MAX {
        return None;
    }
    let lower = word.to_lowercase();
    let scored = known.filter(|known| known.len() <= WORD_BYTES_MAX).map(|known| {
        let known_lower = known.to_lowercase();
        let score = strsim::jaro_winkler(&lower, &known_lower);
        let typo = strsim::damerau_levenshtein(&lower, &known_lower) <= 1 && known.len() > 1;
        (if typo { score.max(NEAR_ENOUGH) } else { score }, known)
    });
    let best = scored.max_by(|(left, _), (right, _)| left.total_cmp(right));
    best.filter(|(score, _)| *score >= NEAR_ENOUGH).map(|(_, known)| known)
}

/// The known words as a list for a person; `None` where there are none or too many.
pub(crate) fn list<'a>(known: impl Iterator<Item = &'a str>) -> Option<String> {
    let words: Vec<_> = known.map(|word| format!("`{word}`")).collect();
    (1..=LIST_MAX).contains(&words.len()).then(|| words.join(", "))
}

const NEAR_ENOUGH: f64 = 0.8;
const WORD_BYTES_MAX: usize = 64;
const LIST_MAX: usize = 24;
