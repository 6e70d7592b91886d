//! The two numbers that stand noise: the median, and the least.

/// The middle of the numbers; between two, their mean. `None` of none.
pub(crate) fn median(numbers: &[f64]) -> Option<f64> {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = *sorted.get(sorted.len() / 2)?;
    if sorted.len() % 2 == 1 {
        return Some(upper);
    }
    let lower = *sorted.get(sorted.len() / 2 - 1)?;
    Some(f64::midpoint(lower, upper))
}

/// The least of the numbers.
pub(crate) fn least(numbers: &[f64]) -> Option<f64> {
    numbers.iter().copied().min_by(f64::total_cmp)
}

/// The median of what stands in the same round: `numbers` combined with `base`.
pub(crate) fn paired(
    numbers: &[f64],
    base: &[f64],
    combine: impl Fn(f64, f64) -> f64,
) -> Option<f64> {
    let combined: Vec<f64> =
        numbers.iter().zip(base).map(|(number, base)| combine(*number, *base)).collect();
    median(&combined)
}

#[cfg(test)]
mod tests;
