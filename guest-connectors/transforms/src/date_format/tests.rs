//! What Java prints and reads.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::DateFormat;

/// 2026-01-01T00:00:00Z, so that two digits of a year lie between 1946 and 2045.
const NOW: i64 = 1_767_225_600_000;
/// 2023-11-14T22:13:20.123Z, a Tuesday.
const TUESDAY: i64 = 1_700_000_000_123;
/// 1969-08-11T02:38:41.099Z, a Monday.
const OLD: i64 = -12_345_678_901;

fn format(pattern: &str, millis: i64) -> String {
    DateFormat::at(pattern, NOW).unwrap().to_text(millis)
}

fn read(pattern: &str, text: &str) -> Option<i64> {
    DateFormat::at(pattern, NOW).unwrap().read(text)
}

#[test]
fn prints_every_letter() {
    for (pattern, expected, old) in [
        ("G GGGG", "AD AD", "AD AD"),
        ("y yy yyy yyyy yyyyy", "2023 23 2023 2023 02023", "1969 69 1969 1969 01969"),
        ("YYYY-'W'ww", "2023-W46", "1969-W33"),
        ("M MM MMM MMMM MMMMM", "11 11 Nov November November", "8 08 Aug August August"),
        ("L LL LLL LLLL", "11 11 Nov November", "8 08 Aug August"),
        ("w W F u", "46 3 2 2", "33 3 2 1"),
        ("D DDDD", "318 0318", "223 0223"),
        ("d dd ddd", "14 14 014", "11 11 011"),
        ("E EEE EEEE", "Tue Tue Tuesday", "Mon Mon Monday"),
        ("a aaaa", "PM PM", "AM AM"),
        ("H HH k kk K KK h hh", "22 22 22 22 10 10 10 10", "2 02 2 02 2 02 2 02"),
        ("m mm s ss", "13 13 20 20", "38 38 41 41"),
        ("S SSS SSSSSS", "123 123 000123", "99 099 000099"),
        (
            "z zzzz Z X XX XXX",
            "UTC Coordinated Universal Time +0000 Z Z Z",
            "UTC Coordinated Universal Time +0000 Z Z Z",
        ),
        ("''yyyy'' 'o''clock' 'x'", "'2023' o'clock x", "'1969' o'clock x"),
        ("yyyy年MM月", "2023年11月", "1969年08月"),
    ] {
        assert_eq!(format(pattern, TUESDAY), expected, "{pattern}");
        assert_eq!(format(pattern, OLD), old, "{pattern}");
    }
}

#[test]
fn prints_the_edges_of_calendars() {
    for (pattern, millis, expected) in [
        ("kk KK hh a", 0, "24 00 12 AM"),
        ("yyyy-MM-dd HH:mm:ss.SSS", -1, "1969-12-31 23:59:59.999"),
        ("yyyy-MM-dd DDD", 1_709_164_800_000, "2024-02-29 060"),
        // The week of 2024-12-29 ends in 2025.
        ("YYYY ww", 1_735_516_800_000, "2025 01"),
        ("YYYY ww", 1_735_344_000_000, "2024 52"),
        ("w W u F", 1_672_531_200_000, "1 1 7 1"),
        // The day before the Gregorian calendar.
        ("yyyy-MM-dd EEE DDD W", -12_219_292_800_000, "1582-10-15 Fri 278 1"),
        ("yyyy-MM-dd EEE DDD", -12_219_292_800_001, "1582-10-04 Thu 277"),
        ("yyyy-MM-dd G", -62_135_769_600_001, "0001-12-31 BC"),
        ("yyyy-MM-dd'T'HH:mm:ss.SSSX", 1_700_000_000_123_456_000, "53872825-06-19T08:30:56.000Z"),
        ("yy", 1_700_000_000_123_456_000, "25"),
        ("yyyy-MM-dd", i64::MAX, "292278994-08-17"),
        ("yyyy-MM-dd G", i64::MIN, "292269055-12-02 BC"),
    ] {
        assert_eq!(format(pattern, millis), expected, "{pattern} {millis}");
    }
}

#[test]
fn refuses_patterns_as_java_does() {
    for (pattern, expected) in [
        ("bad-b", "Illegal pattern character 'b'"),
        ("yyyy-MM-ddTHH", "Illegal pattern character 'T'"),
        ("Q", "Illegal pattern character 'Q'"),
        ("yyyy'", "Unterminated quote"),
        ("XXXX", "invalid ISO 8601 format: length=4"),
    ] {
        assert_eq!(DateFormat::new(pattern).unwrap_err(), expected);
    }
}

#[test]
fn reads_what_it_prints() {
    for pattern in [
        "yyyy-MM-dd HH:mm:ss.SSS",
        "yyyyMMddHHmmssSSS",
        "EEE, d MMM yyyy kk:mm:ss.SSS Z",
        "YYYY-ww-u HH:mm:ss.SSS",
        "D/y h:m:s.S a",
        "MMMM d yyyy K:mm:ss.SSS a z",
        "yyyy-MM-dd'T'HH:mm:ss.SSSXXX G",
        "y M W E H:m:s.S",
        "Y w EEEE H:m:s.S zzzz",
        "y M F u H:m:s.S",
    ] {
        for millis in [TUESDAY, OLD, 0, -1, 951_782_400_000, -12_219_292_800_000] {
            let text = format(pattern, millis);
            assert_eq!(read(pattern, &text), Some(millis), "{pattern} {text}");
        }
    }
    // Centuries before the Gregorian calendar, and years before the first.
    for millis in [-12_219_292_800_001, -30_000_000_000_000, -62_135_769_600_001, -70_000_000_000_000] {
        let text = format("G yyyy-MM-dd HH:mm:ss.SSS", millis);
        assert_eq!(read("G yyyy-MM-dd HH:mm:ss.SSS", &text), Some(millis), "{text}");
    }
}

#[test]
fn reads_leniently() {
    for (pattern, text, expected) in [
        ("yyyy-MM-dd HH:mm:ss.SSS", "2023-13-44 29:13:20.123", Some(1_707_887_600_123)),
        ("yyyy-MM-dd HH:mm:ss.SSS", "2023-11-14 22:13:20.123 and more", Some(TUESDAY)),
        ("yyyy-MM-dd HH:mm:ss.SSS", "not a time", None),
        ("yyyy-MM-dd", "2023-11", None),
        ("yyyy-MM-dd", "  2023-  11-\t14", Some(1_699_920_000_000)),
        ("yyyy-MM-dd", " ", None),
        ("yyyyMMdd", "20231114", Some(1_699_920_000_000)),
        ("yyyyMMdd", "2023111", Some(1_698_796_800_000)),
        ("yyyyMMdd", "2023", None),
        ("yyyy-MM-dd", "-1-01-01", Some(-62_198_928_000_000)),
        ("yyyy-MM-dd", "2023-00-01", Some(1_669_852_800_000)),
        ("yyyy-MM-dd", "2023-11--14", Some(1_697_500_800_000)),
        ("yy-M-d", "45-1-1", Some(2_366_841_600_000)),
        ("yy-M-d", "46-1-1", Some(-757_382_400_000)),
        ("yy-M-d", "1-1-1", Some(-62_135_769_600_000)),
        ("EEE, d MMM yyyy HH:mm:ss Z", "Tue, 14 Nov 2023 23:13:20 +0100", Some(1_700_000_000_000)),
        // The weekday does not matter where there is a day.
        ("EEE, d MMM yyyy HH:mm:ss Z", "fri, 14 november 2023 22:13:20 GMT", Some(1_700_000_000_000)),
        ("EEE, d MMM yyyy HH:mm:ss z", "Tue, 14 Nov 2023 17:13:20 EST", Some(1_700_000_000_000)),
        ("EEE, d MMM yyyy HH:mm:ss z", "Tue, 14 Nov 2023 23:13:20 GMT+01:00", Some(1_700_000_000_000)),
        ("EEE, d MMM yyyy HH:mm:ss z", "Tue, 14 Nov 2023 23:13:20 GMT+1:00", Some(1_700_000_000_000)),
        ("EEE, d MMM yyyy HH:mm:ss z", "Tue, 14 Nov 2023 23:13:20 Nowhere", None),
        ("yyyy-MM-dd'T'HH:mm:ssX", "2023-11-14T23:13:20+01", Some(1_700_000_000_000)),
        ("yyyy-MM-dd'T'HH:mm:ssXX", "2023-11-14T23:13:20+0100", Some(1_700_000_000_000)),
        ("yyyy-MM-dd'T'HH:mm:ssXXX", "2023-11-14T23:13:20+01:00", Some(1_700_000_000_000)),
        ("yyyy-MM-dd'T'HH:mm:ssXXX", "2023-11-14T22:13:20Z", Some(1_700_000_000_000)),
        ("yyyy-MM-dd'T'HH:mm:ssXXX", "2023-11-14T23:13:20+0100", None),
        ("yyyy-MM-dd'T'HH:mm:ssX", "2023-11-14T23:13:20", None),
        ("yyyy-MM-dd'T'HH:mm:ssX", "2023-11-14T23:13:20+24", None),
        ("hh:mm a", "12:30 AM", Some(1_800_000)),
        ("hh:mm a", "12:30 pm", Some(45_000_000)),
        ("HH:mm", "25:61", Some(93_660_000)),
        ("HH", "1E1", Some(36_000_000)),
        ("S", "99999999999999999999", Some(2_147_483_647)),
        ("S", "4294967297", Some(1)),
        ("MMM", "11", None),
        ("MM", "Nov", None),
        ("'T'", "T", Some(0)),
        ("'T'", "", None),
        ("D yyyy", "366 2023", Some(1_704_067_200_000)),
        ("u w YYYY", "9 46 2023", Some(1_700_524_800_000)),
    ] {
        assert_eq!(read(pattern, text), expected, "{pattern} {text}");
    }
}

#[test]
fn a_text_stays_the_same_as_long_as_its_smallest_unit() {
    for (pattern, expected) in [
        ("yyyyMMdd", 86_400_000),
        ("yyyyMMddHH", 3_600_000),
        ("hh a", 3_600_000),
        ("HH:mm", 60_000),
        ("ss", 1_000),
        ("S", 1),
        ("'S'", 86_400_000),
    ] {
        assert_eq!(DateFormat::at(pattern, NOW).unwrap().granularity_ms(), expected);
    }
}

#[test]
fn no_text_is_too_strange() {
    // A generator of its own, so that a failure can be had again.
    let mut state = 1_u64;
    let mut next = |n: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % n
    };
    let parts = [
        "yyyy", "yy", "MM", "MMM", "L", "d", "HH", "k", "h", "a", "mm", "s", "SSS", "D", "F", "w", "W", "u",
        "E", "Y", "G", "z", "Z", "XXX", "-", " ", "'T'", "é",
    ];
    let words = [
        "2147483647",
        "-2147483648",
        "99999999999999999999",
        "1E9",
        "0",
        "-1",
        "12",
        "Nov",
        "Tue",
        "BC",
        "PM",
        "+0100",
        "GMT",
        "Z",
        "-",
        " ",
        "T",
        "é",
        "",
        "\u{1F600}",
    ];
    let mut n_read = 0;
    for _ in 0..20_000 {
        let pattern: String =
            (0..1 + next(5)).filter_map(|_| parts.get(next(parts.len())).copied()).collect();
        let text: String = (0..1 + next(6)).filter_map(|_| words.get(next(words.len())).copied()).collect();
        if let Ok(format) = DateFormat::at(&pattern, NOW)
            && let Some(millis) = format.read(&text)
        {
            n_read += 1;
            assert!(!format.to_text(millis).is_empty(), "{pattern} {text}");
        }
    }
    assert!(n_read > 1000, "{n_read}");
}
