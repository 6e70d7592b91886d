//! Points in time as text.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The time in RFC 3339, in UTC, with milliseconds: `2026-01-31T12:00:00.000Z`. A time before
/// 1970 or after 9999 is shown as the nearest one that can be shown.
#[must_use]
pub fn rfc3339(time: SystemTime) -> String {
    let mut text = Vec::with_capacity(TEXT_BYTES);
    push_rfc3339(&mut text, time);
    String::from_utf8_lossy(&text).into_owned()
}

const TEXT_BYTES: usize = "2026-01-31T12:00:00.000Z".len();
const DAY_SECONDS: u64 = 24 * 60 * 60;
const LAST_SECOND: u64 = 253_402_300_799;

/// Writes what [`rfc3339`] returns.
pub(crate) fn push_rfc3339(out: &mut Vec<u8>, time: SystemTime) {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let seconds = since.as_secs().min(LAST_SECOND);
    let (year, month, day) = date(seconds / DAY_SECONDS);
    let second = seconds % DAY_SECONDS;
    for (number, width, end) in [
        (year, 4, b'-'),
        (month, 2, b'-'),
        (day, 2, b'T'),
        (second / 3600, 2, b':'),
        (second / 60 % 60, 2, b':'),
        (second % 60, 2, b'.'),
        (u64::from(since.subsec_millis()), 3, b'Z'),
    ] {
        push_padded(out, number, width);
        out.push(end);
    }
}

/// The date of a day since 1970-01-01. Years are taken to begin in March, so that the leap day
/// is the last one; then months of 153 days per five repeat, and eras of 400 years.
fn date(days_since_1970: u64) -> (u64, u64, u64) {
    const ERA_DAYS: u64 = 146_097;
    const DAYS_BEFORE_1970: u64 = 719_468;
    let days = days_since_1970 + DAYS_BEFORE_1970;
    let (era, day_of_era) = (days / ERA_DAYS, days % ERA_DAYS);
    let leap_days = day_of_era / 1460 - day_of_era / 36_524 + day_of_era / 146_096;
    let year_of_era = (day_of_era - leap_days) / 365;
    let first_day = 365 * year_of_era + year_of_era / 4 - year_of_era / 100;
    let day_of_year = day_of_era - first_day;
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let (month, next_year) =
        if month_from_march < 10 { (month_from_march + 3, 0) } else { (month_from_march - 9, 1) };
    (era * 400 + year_of_era + next_year, month, day)
}

fn push_padded(out: &mut Vec<u8>, number: u64, width: u32) {
    for place in (0..width).rev() {
        out.push(b'0' + (number / 10_u64.pow(place) % 10) as u8);
    }
}

#[cfg(test)]
mod tests;
