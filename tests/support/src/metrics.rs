//! The metrics page, parsed.

use std::collections::BTreeMap;

/// One line of the metrics page.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its value.
    pub value: f64,
}

/// All samples of one reading.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    /// The samples in order of the page.
    pub samples: Vec<Sample>,
}

impl Metrics {
    /// Parses the text format. Lines that are none are left out.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        Self { samples: lines.filter_map(parse_line).collect() }
    }

    /// The sum of all samples of `name` that have all of `labels`.
    #[must_use]
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let named = self.samples.iter().filter(|sample| sample.name == name);
        let matching = named.filter(|sample| {
            labels.iter().all(|(key, value)| sample.labels.get(*key).is_some_and(|v| v == value))
        });
        matching.map(|sample| sample.value).sum()
    }

    /// True where there is any sample of `name`.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.samples.iter().any(|sample| sample.name == name)
    }
}

fn parse_line(line: &str) -> Option<Sample> {
    let (series, value) = line.rsplit_once(' ')?;
    let value = value.parse().ok()?;
    let Some((name, rest)) = series.split_once('{') else {
        return Some(Sample { name: series.to_owned(), labels: BTreeMap::new(), value });
    };
    let labels = rest.strip_suffix('}')?;
    let labels = labels.split("\",").filter_map(|pair| {
        let (key, text) = pair.split_once("=\"")?;
        Some((key.to_owned(), text.trim_end_matches('"').to_owned()))
    });
    Some(Sample { name: name.to_owned(), labels: labels.collect(), value })
}

#[cfg(test)]
mod tests;
