//! `java.util.Date.toString` in UTC: `Thu Jan 01 00:00:00 UTC 1970`.

use super::DAY_MS;
use super::number::put_int;

/// From here on Java counts by the Gregorian calendar, before it by the Julian one.
const GREGORIAN_FROM_DAY: i64 = -141_427;

const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Appends the moment `millis` after the epoch as Java's `Date.toString` prints it in UTC.
pub fn put_date(out: &mut Vec<u8>, millis: i64) {
    let days = millis.div_euclid(DAY_MS);
    let seconds = millis.rem_euclid(DAY_MS) / 1000;
    let (year, month, day) = if days >= GREGORIAN_FROM_DAY { gregorian(days) } else { julian(days) };
    out.extend_from_slice(WEEKDAYS.get(days.rem_euclid(7) as usize).copied().unwrap_or_default().as_bytes());
    out.push(b' ');
    out.extend_from_slice(MONTHS.get(month).copied().unwrap_or_default().as_bytes());
    for (before, number) in
        [(b' ', day), (b' ', seconds / 3600), (b':', seconds / 60 % 60), (b':', seconds % 60)]
    {
        out.extend_from_slice(&[before, b'0' + (number / 10) as u8, b'0' + (number % 10) as u8]);
    }
    out.extend_from_slice(b" UTC ");
    // There is no year 0: the one before 1 is 1 of the era before.
    put_int(out, if year > 0 { year } else { 1 - year });
}

/// Year, month from 0 and day from 1 of a day counted from the epoch. Years start in March here, so
/// that the leap day comes last and all months have their place by one formula.
pub(crate) fn gregorian(days: i64) -> (i64, usize, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day = days.rem_euclid(146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    month_and_day(era * 400 + year, day - (365 * year + year / 4 - year / 100))
}

/// As [`gregorian`], with a leap year every four years.
fn julian(days: i64) -> (i64, usize, i64) {
    let days = days + 719_470;
    let era = days.div_euclid(1_461);
    let day = days.rem_euclid(1_461);
    let year = (day - day / 1_460) / 365;
    month_and_day(era * 4 + year, day - 365 * year)
}

/// The day, counted from the epoch, of a year, a month from 0 and a day from 1, which need not lie in
/// that month; the year before the first is 0. By the calendar that Java takes for it.
pub(crate) fn days_of(year: i64, month: usize, day: i64) -> i64 {
    let (year, from_march) = if month < 2 { (year - 1, month + 10) } else { (year, month - 2) };
    let julian = year * 365 + year.div_euclid(4) + (153 * from_march as i64 + 2) / 5 + day - 1;
    let gregorian = julian - year.div_euclid(100) + year.div_euclid(400) - 719_468;
    if gregorian >= GREGORIAN_FROM_DAY { gregorian } else { julian - 719_470 }
}

fn month_and_day(year: i64, day_of_year: i64) -> (i64, usize, i64) {
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 2 } else { from_march - 10 };
    (year + i64::from(month < 2), month as usize, day)
}
