//! `sasl.jaas.config`: one login module with its options, as Java writes it.

use std::collections::BTreeMap;

/// A login module.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LoginModule {
    /// Class name without its package.
    pub(super) name: String,
    /// The options.
    pub(super) options: BTreeMap<String, String>,
}

/// Reads `package.Module required key="value" key=value;`.
pub(super) fn parse(text: &str) -> Result<LoginModule, String> {
    let mut words = words(text)?.into_iter();
    let class = words.next().ok_or("it is empty")?;
    let flag = words.next().ok_or("the control flag (required) is missing")?;
    if !["required", "requisite", "sufficient", "optional"].contains(&flag.to_ascii_lowercase().as_str()) {
        // Not quoted: what stands in its place may be the password.
        return Err("a control flag must follow the module: `required`".into());
    }
    let mut options = BTreeMap::new();
    for word in words {
        // The value may be a secret: errors name the key only.
        let (key, value) = word.split_once('=').ok_or("an option is not of the form key=\"value\"")?;
        options.insert(key.to_owned(), value.to_owned());
    }
    let name = class.rsplit('.').next().unwrap_or(&class).to_owned();
    Ok(LoginModule { name, options })
}

/// Splits at white space outside quotes, up to the semicolon; quotes and backslashes are resolved.
fn words(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, quote) {
            ('\\', Some(_)) => {
                let escaped = chars.next().ok_or("it ends in a backslash")?;
                word.get_or_insert_default().push(match escaped {
                    'n' => '\n',
                    't' => '\t',
                    'r' => '\r',
                    other => other,
                });
            }
            (c, Some(open)) if c == open => quote = None,
            (c, Some(_)) => word.get_or_insert_default().push(c),
            ('"' | '\'', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (';', None) => {
                words.extend(word);
                return Ok(words);
            }
            (c, None) if c.is_whitespace() => words.extend(word.take()),
            (c, None) => word.get_or_insert_default().push(c),
        }
    }
    if quote.is_some() {
        Err("a quote is not closed".into())
    } else {
        Err("the closing semicolon is missing".into())
    }
}
