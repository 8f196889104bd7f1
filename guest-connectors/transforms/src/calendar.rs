//! `java.util.GregorianCalendar` in UTC: the Julian calendar up to October 1582, the Gregorian one
//! after it, weeks from Sunday, and its lenient way to find a moment from any set of fields.

/// Milliseconds of one day.
pub(crate) const DAY_MS: i64 = 86_400_000;

/// Days are counted as Java does, from the first of January of the year 1: this is 1970-01-01.
const EPOCH: i64 = 719_163;
/// 1582-10-15, the first day of the Gregorian calendar.
const CUTOVER: i64 = 577_736;
const CUTOVER_YEAR: i64 = 1582;
const SUNDAY: i64 = 1;
const MONTH_DAYS: [i64; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/// A day of the calendar.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Day {
    fixed: i64,
    /// 0 is the year before 1.
    pub(crate) year: i64,
    /// From 0.
    pub(crate) month: i64,
    /// From 1.
    pub(crate) day: i64,
}

impl Day {
    /// The day `days` after 1970-01-01.
    pub(crate) fn of(days: i64) -> Self {
        Self::of_fixed(days + EPOCH)
    }

    fn of_fixed(fixed: i64) -> Self {
        let gregorian = fixed >= CUTOVER;
        let (year, mut left) = if gregorian { gregorian_year(fixed) } else { julian_year(fixed) };
        let mut month = 0;
        for days in month_days(year, gregorian) {
            if left < days {
                break;
            }
            left -= days;
            month += 1;
        }
        Self { fixed, year, month, day: left + 1 }
    }

    /// From 1 (Sunday) to 7.
    pub(crate) const fn weekday(self) -> i64 {
        self.fixed.rem_euclid(7) + 1
    }

    /// From 1. October 1582 lacks ten days.
    pub(crate) fn day_of_year(self) -> i64 {
        self.fixed - self.first_of_year() + 1
    }

    /// The week that has the first of January is the first.
    pub(crate) fn week_of_year(self) -> i64 {
        if self.week_year() > self.year { 1 } else { week_number(self.first_of_year(), self.fixed) }
    }

    /// The year whose week this is: that of the week's Saturday.
    pub(crate) fn week_year(self) -> i64 {
        Self::of_fixed(self.fixed + 7 - self.weekday()).year
    }

    /// From 1; a week starts with a Sunday or with the month.
    pub(crate) fn week_of_month(self) -> i64 {
        week_number(self.first_of_month(), self.fixed)
    }

    /// How many such weekdays the month has had, this one included.
    pub(crate) fn weekday_in_month(self) -> i64 {
        (self.fixed - self.first_of_month()) / 7 + 1
    }

    fn first_of_month(self) -> i64 {
        if self.year == CUTOVER_YEAR && self.month == 9 {
            julian(CUTOVER_YEAR, 9)
        } else {
            self.fixed - self.day + 1
        }
    }

    fn first_of_year(self) -> i64 {
        if self.year > CUTOVER_YEAR { gregorian(self.year, 0) } else { julian(self.year, 0) }
    }
}

/// A field of a calendar, as Java numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    Era,
    Year,
    Month,
    WeekOfYear,
    WeekOfMonth,
    DayOfMonth,
    DayOfYear,
    DayOfWeek,
    DayOfWeekInMonth,
    AmPm,
    Hour,
    HourOfDay,
    Minute,
    Second,
    Millisecond,
    /// Milliseconds east of Greenwich, summer time included.
    Zone,
    WeekYear,
}

const N_FIELDS: usize = 17;

/// Fields that a text has set. Which of them count depends on the order in which they were set.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields {
    /// When it was set, 0 = not at all, and to what.
    set: [(u32, i32); N_FIELDS],
    last: u32,
}

impl Fields {
    /// Sets a field; whatever its value, the calendar is lenient.
    pub(crate) fn set(&mut self, field: Field, value: i32) {
        self.last += 1;
        if let Some(slot) = self.set.get_mut(field as usize) {
            *slot = (self.last, value);
        }
    }

    /// Moves the year.
    pub(crate) fn add_years(&mut self, years: i32) {
        for field in [Field::Year, Field::WeekYear] {
            if let Some(slot) = self.set.get_mut(field as usize) {
                slot.1 = slot.1.wrapping_add(years);
            }
        }
    }

    fn stamp(&self, field: Field) -> u32 {
        self.set.get(field as usize).map_or(0, |slot| slot.0)
    }

    fn is_set(&self, field: Field) -> bool {
        self.stamp(field) > 0
    }

    /// 0 unless it was set.
    fn value(&self, field: Field) -> i64 {
        self.set.get(field as usize).map_or(0, |slot| slot.1.into())
    }

    /// Milliseconds since the epoch.
    pub(crate) fn millis(&self) -> i64 {
        let time = self.time_of_day();
        let days = time.div_euclid(DAY_MS);
        let fixed = if self.stamp(Field::WeekYear) > self.stamp(Field::Year) {
            self.week_date() + days
        } else {
            self.date(days)
        };
        (fixed - EPOCH)
            .wrapping_mul(DAY_MS)
            .wrapping_add(time.rem_euclid(DAY_MS))
            .wrapping_sub(self.value(Field::Zone))
    }

    fn time_of_day(&self) -> i64 {
        let of_day = self.stamp(Field::HourOfDay);
        // An hour and a half of the day count together, when both are set.
        let of_half = match (self.stamp(Field::Hour), self.stamp(Field::AmPm)) {
            (0, _) | (_, 0) => 0,
            (hour, half) => hour.max(half),
        };
        let hours = if of_day > 0 && of_day >= of_half {
            self.value(Field::HourOfDay)
        } else {
            self.value(Field::Hour) + 12 * self.value(Field::AmPm)
        };
        ((hours * 60 + self.value(Field::Minute)) * 60 + self.value(Field::Second)) * 1000
            + self.value(Field::Millisecond)
    }

    /// The day that week year, week and weekday name.
    fn week_date(&self) -> i64 {
        let mut week = if self.is_set(Field::WeekOfYear) { self.value(Field::WeekOfYear) } else { 1 };
        let mut weekday = if self.is_set(Field::DayOfWeek) { self.value(Field::DayOfWeek) } else { SUNDAY };
        if !(1..=7).contains(&weekday) {
            if weekday >= 8 {
                weekday -= 1;
                week += weekday / 7;
                weekday = weekday % 7 + 1;
            } else {
                let weeks = (7 - weekday) / 7;
                weekday += 7 * weeks;
                week -= weeks;
            }
            // Such a number counts from Monday.
            weekday = if weekday == 7 { SUNDAY } else { weekday + 1 };
        }
        let year = self.value(Field::WeekYear);
        let first = if year > CUTOVER_YEAR { gregorian(year, 0) } else { julian(year, 0) };
        first_week(first) + (weekday - SUNDAY) + 7 * (week - 1)
    }

    /// The day that the other fields name, `later` days on.
    fn date(&self, later: i64) -> i64 {
        let mut year = if self.is_set(Field::Year) { self.value(Field::Year) } else { 1970 };
        if self.is_set(Field::Era) && self.value(Field::Era) == 0 {
            year = 1 - year;
        }
        let way = self.way();
        let by_gregorian = later + self.day_in(year, gregorian, true, way);
        let by_julian = later + self.day_in(year, julian, false, way);
        if year > CUTOVER_YEAR && by_gregorian >= CUTOVER {
            return by_gregorian;
        }
        if year < CUTOVER_YEAR || matches!(way, Way::DayOfYear | Way::WeekOfYear) {
            return by_julian;
        }
        if by_gregorian >= CUTOVER { by_gregorian } else { by_julian }
    }

    fn day_in(&self, year: i64, first_of: fn(i64, i64) -> i64, is_gregorian: bool, way: Way) -> i64 {
        let month = match way {
            Way::DayOfYear | Way::WeekOfYear => 0,
            _ => self.value(Field::Month),
        };
        let (year, month) = (year + month.div_euclid(12), month.rem_euclid(12));
        let first = first_of(year, month);
        let weekday = self.is_set(Field::DayOfWeek).then(|| self.value(Field::DayOfWeek));
        match way {
            Way::DayOfMonth if self.is_set(Field::DayOfMonth) => first + self.value(Field::DayOfMonth) - 1,
            Way::DayOfMonth => first,
            Way::DayOfYear => first + self.value(Field::DayOfYear) - 1,
            Way::WeekOfMonth | Way::WeekOfYear => {
                let field = if way == Way::WeekOfMonth { Field::WeekOfMonth } else { Field::WeekOfYear };
                let mut start = first_week(first);
                if let Some(weekday) = weekday.filter(|weekday| *weekday != SUNDAY) {
                    start = on_or_before(start + 6, weekday);
                }
                start + 7 * (self.value(field) - 1)
            }
            Way::DayOfWeekInMonth => {
                let weekday = weekday.unwrap_or(SUNDAY);
                let nth = if self.is_set(Field::DayOfWeekInMonth) {
                    self.value(Field::DayOfWeekInMonth)
                } else {
                    1
                };
                let last = if nth >= 0 {
                    first + 7 * nth - 1
                } else {
                    let length = month_days(year, is_gregorian).nth(month as usize).unwrap_or(30);
                    first + length + 7 * (nth + 1) - 1
                };
                on_or_before(last, weekday)
            }
        }
    }

    /// What names the day: the group of fields that was set last.
    fn way(&self) -> Way {
        let weekday = self.stamp(Field::DayOfWeek);
        let with_weekday = |stamp: u32| if stamp == 0 || weekday == 0 { 0 } else { stamp.max(weekday) };
        let (of_month, of_year) = (self.stamp(Field::WeekOfMonth), self.stamp(Field::WeekOfYear));
        let in_month = self.stamp(Field::DayOfWeekInMonth);
        let mut groups = [
            self.stamp(Field::DayOfMonth),
            with_weekday(of_month),
            with_weekday(in_month),
            self.stamp(Field::DayOfYear),
            with_weekday(of_year),
        ];
        let mut best = groups.into_iter().max().unwrap_or(0);
        if best == 0 {
            // No group is complete. A weekday alone is that of the month's first week.
            groups = [0, of_month, in_month.max(weekday), 0, of_year];
            best = groups.into_iter().max().unwrap_or(0);
            if best == 0 {
                return Way::DayOfMonth;
            }
        }
        let [day_of_month, week_of_month, day_of_week_in_month, day_of_year, _] = groups;
        if best == day_of_month {
            Way::DayOfMonth
        } else if best == week_of_month && of_month >= of_year
            || best == day_of_week_in_month && in_month >= of_year
        {
            let by_week = if week_of_month == day_of_week_in_month {
                of_month >= in_month
            } else {
                best == week_of_month
            };
            if by_week { Way::WeekOfMonth } else { Way::DayOfWeekInMonth }
        } else if best == day_of_year {
            Way::DayOfYear
        } else {
            Way::WeekOfYear
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    DayOfMonth,
    WeekOfMonth,
    DayOfWeekInMonth,
    DayOfYear,
    WeekOfYear,
}

/// The first day of a month.
fn gregorian(year: i64, month: i64) -> i64 {
    let before = year - 1;
    365 * before + before.div_euclid(4) - before.div_euclid(100)
        + before.div_euclid(400)
        + days_before(year, month, true)
        + 1
}

fn julian(year: i64, month: i64) -> i64 {
    let before = year - 1;
    365 * before + before.div_euclid(4) + days_before(year, month, false) - 1
}

fn days_before(year: i64, month: i64, gregorian: bool) -> i64 {
    month_days(year, gregorian).take(month as usize).sum()
}

fn month_days(year: i64, gregorian: bool) -> impl Iterator<Item = i64> {
    let leap =
        year.rem_euclid(4) == 0 && (!gregorian || year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0);
    MONTH_DAYS.into_iter().enumerate().map(move |(month, days)| days + i64::from(leap && month == 1))
}

/// Year of a day, and how many days of it are over.
fn gregorian_year(fixed: i64) -> (i64, i64) {
    let days = fixed - 1;
    let (era, left) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let century = (left / 36_524).min(3);
    let left = left - century * 36_524;
    let (year, over) = year_of_four(left % 1_461);
    (era * 400 + century * 100 + left / 1_461 * 4 + year + 1, over)
}

fn julian_year(fixed: i64) -> (i64, i64) {
    let days = fixed + 1;
    let (year, left) = year_of_four(days.rem_euclid(1_461));
    (days.div_euclid(1_461) * 4 + year + 1, left)
}

/// The last of four years is a day longer.
fn year_of_four(days: i64) -> (i64, i64) {
    let year = (days / 365).min(3);
    (year, days - year * 365)
}

/// The Sunday that starts the week of `first`.
const fn first_week(first: i64) -> i64 {
    on_or_before(first, SUNDAY)
}

const fn week_number(first: i64, fixed: i64) -> i64 {
    (fixed - first_week(first)).div_euclid(7) + 1
}

const fn on_or_before(fixed: i64, weekday: i64) -> i64 {
    fixed - (fixed - (weekday - 1)).rem_euclid(7)
}
