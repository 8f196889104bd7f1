//! Versions of plugins as a configuration asks for them (KIP-891): one version, `latest`, or a range
//! in Maven's notation such as `[1.0,2.0)`. A plain version means exactly that one.

use std::cmp::Ordering;

/// Whether `installed` is what `requirement` asks for; otherwise Kafka Connect's message.
pub(crate) fn check(class: &str, installed: &str, requirement: &str) -> Result<(), String> {
    let requirement = requirement.trim();
    if requirement.is_empty() || requirement == "latest" {
        return Ok(());
    }
    let range = if requirement.starts_with(['[', '(']) {
        requirement.to_owned()
    } else {
        format!("[{requirement},{requirement}]")
    };
    match contains(&range, installed) {
        None => Err(format!("Invalid version specification: {requirement}")),
        Some(true) => Ok(()),
        Some(false) => Err(format!(
            "Plugin {class} not found that matches the version range {range}, available versions: [{installed}]"
        )),
    }
}

/// Whether one of the intervals of `range` has `version`; none when it is no range.
fn contains(range: &str, version: &str) -> Option<bool> {
    let mut rest = range;
    let mut hit = false;
    while !rest.is_empty() {
        let end = rest.find([']', ')'])?;
        let (interval, after) = rest.split_at_checked(end + 1)?;
        hit |= interval_contains(interval, version)?;
        rest = after.trim_start();
        rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
    }
    Some(hit)
}

fn interval_contains(interval: &str, version: &str) -> Option<bool> {
    let open = interval.chars().next()?;
    let close = interval.chars().next_back()?;
    let inner = interval.strip_prefix(['[', '('])?.strip_suffix([']', ')'])?;
    let Some((low, high)) = inner.split_once(',') else {
        // `[1.0]` is that version alone.
        return (open == '[' && close == ']' && !inner.is_empty())
            .then(|| compare(version, inner) == Ordering::Equal);
    };
    let (low, high) = (low.trim(), high.trim());
    let above = low.is_empty()
        || match compare(version, low) {
            Ordering::Greater => true,
            Ordering::Equal => open == '[',
            Ordering::Less => false,
        };
    let below = high.is_empty()
        || match compare(version, high) {
            Ordering::Less => true,
            Ordering::Equal => close == ']',
            Ordering::Greater => false,
        };
    Some(above && below)
}

/// Compares dotted versions; numbers as numbers, a qualifier such as `-rc1` before the release.
fn compare(a: &str, b: &str) -> Ordering {
    let (a, a_qualifier) = a.split_once('-').map_or((a, None), |(v, q)| (v, Some(q)));
    let (b, b_qualifier) = b.split_once('-').map_or((b, None), |(v, q)| (v, Some(q)));
    let number =
        |part: Option<&str>| part.map_or(Ok(0), |part| part.parse::<u64>().map_err(|_| part.to_owned()));
    let (mut a, mut b) = (a.split('.'), b.split('.'));
    loop {
        let (x, y) = (a.next(), b.next());
        if x.is_none() && y.is_none() {
            return match (a_qualifier, b_qualifier) {
                (None, Some(_)) => Ordering::Greater,
                (Some(_), None) => Ordering::Less,
                (a, b) => a.cmp(&b),
            };
        }
        match number(x).cmp(&number(y)) {
            Ordering::Equal => {}
            order => return order,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_matches_itself_and_ranges_around_it() {
        for requirement in
            ["4.3.1", "latest", "", "[4.3.1]", "[4.0,5)", "(4.3.0,4.3.1]", "[,4.3.1]", "(1,2),[4,5)"]
        {
            assert_eq!(check("C", "4.3.1", requirement), Ok(()), "{requirement}");
        }
        for requirement in ["4.3", "4.3.10", "[1.0,2.0)", "(4.3.1,5]", "[4,4.3.1)", "[4.3.1-rc1]"] {
            assert!(check("C", "4.3.1", requirement).is_err(), "{requirement}");
        }
    }

    #[test]
    fn the_messages_are_kafka_connects() {
        assert_eq!(
            check("a.B", "4.3.1", "9.9.9").err().as_deref(),
            Some(
                "Plugin a.B not found that matches the version range [9.9.9,9.9.9], available versions: [4.3.1]"
            )
        );
        assert_eq!(check("a.B", "4.3.1", "[1").err().as_deref(), Some("Invalid version specification: [1"));
    }
}
