//! Comparing what JsonConverter writes.
//!
//! Two texts are equal when they are the same bytes, but for the order of members that come from a
//! map: Kafka Connect keeps those in hash maps. Numbers are compared as they are written, which a
//! JSON library would not do, but for the digits that Java before 19 writes beyond need.

/// A JSON text, with leaves as they are written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Node<'a> {
    Leaf(&'a str),
    Number { scientific: bool, digits: String },
    Array(Vec<Node<'a>>),
    Object(Vec<(&'a str, Node<'a>)>),
}

/// Whether `got` says the same as `wanted`: both envelopes of schema and payload.
#[must_use]
pub fn same(wanted: &str, got: &str) -> bool {
    wanted == got
        || match (parse(wanted), parse(got)) {
            (Some(Node::Object(wanted)), Some(Node::Object(got))) => match (&*wanted, &*got) {
                ([schema, payload], [their_schema, their_payload]) => {
                    schema.0 == their_schema.0
                        && parameters_sorted(schema.1.clone()) == parameters_sorted(their_schema.1.clone())
                        && payload.0 == their_payload.0
                        && loose(payload.1.clone()) == loose(their_payload.1.clone())
                }
                _ => false,
            },
            _ => false,
        }
}

/// A schema whose parameters, which are a map, are in one order wherever there are any.
fn parameters_sorted(node: Node<'_>) -> Node<'_> {
    match node {
        Node::Object(members) => {
            let one = |(name, node)| match name {
                "\"parameters\"" => (name, loose(node)),
                _ => (name, parameters_sorted(node)),
            };
            Node::Object(members.into_iter().map(one).collect())
        }
        Node::Array(items) => Node::Array(items.into_iter().map(parameters_sorted).collect()),
        leaf => leaf,
    }
}

/// With everything that may be a map in one order. The order of a struct's fields is that of its
/// schema, which was compared before.
fn loose(node: Node<'_>) -> Node<'_> {
    match node {
        Node::Object(members) => {
            let mut members: Vec<_> = members.into_iter().map(|(name, node)| (name, loose(node))).collect();
            members.sort();
            Node::Object(members)
        }
        Node::Array(items) => {
            let mut items: Vec<_> = items.into_iter().map(loose).collect();
            // A map whose keys are no text is an array of pairs.
            if items.iter().all(|item| matches!(item, Node::Array(pair) if pair.len() == 2)) {
                items.sort();
            }
            Node::Array(items)
        }
        Node::Leaf(text) => shortest(text).unwrap_or(Node::Leaf(text)),
        number => number,
    }
}

/// A number with a fraction, in its notation, with no more digits than a float needs. Whether a double
/// is exact is seen where the value itself is compared.
fn shortest(text: &str) -> Option<Node<'_>> {
    let number: f32 = text.parse().ok().filter(|_| text.contains('.'))?;
    let mut out = Vec::new();
    cofferdam_frame::text::put_float(&mut out, number);
    Some(Node::Number { scientific: text.contains('E'), digits: String::from_utf8(out).ok()? })
}

fn parse(text: &str) -> Option<Node<'_>> {
    let mut rest = text;
    let node = value(&mut rest)?;
    rest.is_empty().then_some(node)
}

fn value<'a>(rest: &mut &'a str) -> Option<Node<'a>> {
    match rest.as_bytes().first()? {
        b'{' => {
            let member = |rest: &mut &'a str| {
                let name = string(rest)?;
                *rest = rest.strip_prefix(':')?;
                Some((name, value(rest)?))
            };
            list(rest, '}', member).map(Node::Object)
        }
        b'[' => list(rest, ']', value).map(Node::Array),
        b'"' => string(rest).map(Node::Leaf),
        _ => {
            let end = rest.find([',', ']', '}']).unwrap_or(rest.len());
            let (leaf, behind) = rest.split_at_checked(end)?;
            *rest = behind;
            Some(Node::Leaf(leaf))
        }
    }
}

/// Items between a bracket and `end`, the converter's way: without spaces.
fn list<'a, T>(rest: &mut &'a str, end: char, item: impl Fn(&mut &'a str) -> Option<T>) -> Option<Vec<T>> {
    let mut items = Vec::new();
    *rest = rest.get(1..)?;
    if let Some(behind) = rest.strip_prefix(end) {
        *rest = behind;
        return Some(items);
    }
    loop {
        items.push(item(rest)?);
        if let Some(behind) = rest.strip_prefix(',') {
            *rest = behind;
        } else {
            *rest = rest.strip_prefix(end)?;
            return Some(items);
        }
    }
}

/// A string with its quotes and escapes.
fn string<'a>(rest: &mut &'a str) -> Option<&'a str> {
    let mut escaped = false;
    let end = rest.bytes().enumerate().skip(1).find_map(|(at, byte)| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends.then_some(at + 1)
    })?;
    let (string, behind) = rest.split_at_checked(end)?;
    *rest = behind;
    Some(string)
}

#[cfg(test)]
mod tests {
    use super::same;

    fn payload(text: &str) -> String {
        format!(r#"{{"schema":null,"payload":{text}}}"#)
    }

    #[test]
    fn only_the_order_of_maps_may_differ() {
        assert!(same(&payload(r#"{"a":1.0,"b\"":[]}"#), &payload(r#"{"b\"":[],"a":1.0}"#)));
        assert!(same(&payload(r#"[[1,"x"],[2,{}]]"#), &payload(r#"[[2,{}],[1,"x"]]"#)));
        for (wanted, got) in
            [("1.0", "1"), ("1.0E10", "10000000000.0"), ("[1,2]", "[2,1]"), ("{}", "{\"a\":1}")]
        {
            assert!(!same(&payload(wanted), &payload(got)), "{wanted} {got}");
        }
        let parameters =
            |text: &str| format!(r#"{{"schema":{{"type":"int8","parameters":{text}}},"payload":1}}"#);
        assert!(same(&parameters(r#"{"a":"b","p":"q"}"#), &parameters(r#"{"p":"q","a":"b"}"#)));
        let schema = |text: &str| format!(r#"{{"schema":{text},"payload":1}}"#);
        let (wanted, got) = (r#"{"type":"int8","optional":false}"#, r#"{"optional":false,"type":"int8"}"#);
        assert!(!same(&schema(wanted), &schema(got)));
    }
}
