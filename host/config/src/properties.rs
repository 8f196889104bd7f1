//! Java's `.properties` files.

use cofferdam_api::ConfigMap;
use java_properties::PropertiesIter;

/// Reads a file's text; of a key that is given twice the last value counts.
///
/// # Errors
/// A text that names the line with a malformed escape.
pub fn read_properties(text: &str) -> Result<ConfigMap, String> {
    let mut config = ConfigMap::new();
    // Java reads Latin-1, people write UTF-8; where the two agree nothing changes.
    PropertiesIter::new_with_encoding(text.as_bytes(), encoding_rs::UTF_8)
        .read_into(|key, value| _ = config.insert(key, value))
        .map_err(|error| error.to_string())?;
    Ok(config)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn properties_are_read_as_java_reads_them() {
        let text = "# comment\n! another\na = 1\nb:2\nc\\ d=x \\\n   y\na=3\ne=\\u00e9\nf=ä😀\ng\n  h =  i\n";
        let config = read_properties(text).unwrap();
        let expected =
            [("a", "3"), ("b", "2"), ("c d", "x y"), ("e", "é"), ("f", "ä😀"), ("g", ""), ("h", "i")];
        assert_eq!(
            config,
            expected.iter().map(|&(k, v)| (k.to_owned(), v.to_owned())).collect::<ConfigMap>()
        );
        assert!(read_properties("a=\\u12").is_err());
    }
}
