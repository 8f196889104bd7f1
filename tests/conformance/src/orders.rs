//! Batches of orders, flat records as they are common: what transforms are measured with.

use cofferdam_api::{SchemaError, Schemas};
use cofferdam_frame::rows::{self, RowWriter};
use cofferdam_frame::tape::{self, Tag};
use cofferdam_frame::{Builder, Entry, Field, Invalid, Kind, Position, Schema, SchemaId, Span};

/// Which parts of the records are in a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// Keys.
    pub key: bool,
    /// Values.
    pub value: bool,
    /// Headers.
    pub headers: bool,
}

/// The schemas of the records.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ids {
    /// Of keys and headers.
    pub text: SchemaId,
    /// Of values; 0 = none.
    pub order: SchemaId,
}

impl Ids {
    /// Interns them.
    ///
    /// # Errors
    /// When the registry is full.
    pub fn define(schemas: &Schemas) -> Result<Self, SchemaError> {
        let known = |schema| schemas.define(schema);
        let text = known(Schema::of(Kind::String))?;
        let optional = known(Schema::of(Kind::String).optional())?;
        let [long, int] = [known(Schema::of(Kind::Int64))?, known(Schema::of(Kind::Int32))?];
        let [double, boolean] = [known(Schema::of(Kind::Float64))?, known(Schema::of(Kind::Boolean))?];
        let kinds = [long, text, text, text, int, double, boolean, long, optional];
        let fields = NAMES.iter().zip(kinds).map(|(name, schema)| Field { name: (*name).to_owned(), schema });
        let order = Schema {
            name: Some("shop.Order".to_owned()),
            fields: fields.collect(),
            ..Schema::of(Kind::Struct)
        };
        Ok(Self { text, order: known(order)? })
    }
}

const NAMES: [&str; 9] =
    ["id", "customer", "email", "product", "quantity", "price", "paid", "created", "note"];

/// A batch of `n` orders as a task hands it to a transform, with or without a schema.
///
/// # Errors
/// Never: it names one topic.
pub fn batch(n: usize, ids: Ids, parts: Parts) -> Result<Vec<u8>, Invalid> {
    let mut out = Builder::with_capacity(n, n * 300);
    for number in 0..n as i64 {
        let mut entry = Entry::new(out.topic("orders")?);
        entry.partition = Some(0);
        entry.timestamp = Some(1_700_000_000_000 + number);
        entry.position = Position::Kafka(number);
        if parts.key {
            entry.key = out.put(format!("customer-{number:06}").as_bytes());
            entry.key_schema = ids.text;
        }
        if parts.value {
            entry.value =
                out.write(|heap| if ids.order == 0 { map(number, heap) } else { row(number, heap) });
            entry.value_schema = ids.order;
        }
        if parts.headers {
            entry.headers = Span { at: 0, len: 0 };
            out.header(&mut entry.headers, "trace", ids.text, Some(b"4bf92f3577b34da6a3ce929d0e0e4736"));
            entry.n_headers = 1;
        }
        out.push(&entry);
    }
    Ok(out.finish())
}

fn row(number: i64, out: &mut Vec<u8>) {
    let mut row = RowWriter::start(out, NAMES.len());
    let mut put = |out: &mut Vec<u8>, write: &dyn Fn(&mut Vec<u8>)| {
        write(out);
        row.field(out, false);
    };
    put(out, &|out| rows::put_int(out, number));
    for text in texts(number) {
        put(out, &|out| out.extend_from_slice(text.as_bytes()));
    }
    put(out, &|out| rows::put_int(out, number % 7 + 1));
    put(out, &|out| rows::put_float(out, 19.95));
    put(out, &|out| rows::put_boolean(out, true));
    put(out, &|out| rows::put_int(out, 1_700_000_000_000 + number));
    row.field(out, true);
}

fn map(number: i64, out: &mut Vec<u8>) {
    let mut list = tape::start_map(out);
    let [customer, email, product] = texts(number);
    for name in NAMES {
        tape::put_string(out, name);
        list.item(out, false);
        match name {
            "id" => tape::put_int(out, Tag::Int64, number),
            "customer" => tape::put_string(out, &customer),
            "email" => tape::put_string(out, &email),
            "product" => tape::put_string(out, &product),
            "quantity" => tape::put_int(out, Tag::Int64, number % 7 + 1),
            "price" => tape::put_float(out, Tag::Float64, 19.95),
            "paid" => tape::put_boolean(out, true),
            "created" => tape::put_int(out, Tag::Int64, 1_700_000_000_000 + number),
            _ => tape::put_null(out),
        }
        list.item(out, false);
    }
    list.finish(out);
}

fn texts(number: i64) -> [String; 3] {
    [
        format!("Customer Number {number:06}"),
        format!("customer.number.{number:06}@mail.example.org"),
        format!("A product with a name of usual length, no. {:04}", number % 1000),
    ]
}
