//! What the records are about.

use cofferdam_sdk::rows::{self, RowWriter};
use cofferdam_sdk::{Error, Kind, Result, SchemaId, schemas};

use crate::dice::Dice;

/// Time of record 0: 2024-01-01T00:00:00Z. Times follow from the record's number, since the same
/// seed has to give the same records.
const START_MS: i64 = 1_704_067_200_000;

const CITIES: &[(&str, &str)] = &[
    ("Hamburg", "DE"),
    ("Lyon", "FR"),
    ("Porto", "PT"),
    ("Gdansk", "PL"),
    ("Bergen", "NO"),
    ("Osaka", "JP"),
    ("Boston", "US"),
    ("Recife", "BR"),
];
const STREETS: &[&str] =
    &["Harbour Street", "Mill Lane", "Station Road", "Bridge Street", "Quay", "Dam Street"];
const ITEMS: &[&str] = &["lantern", "anchor", "rope", "bell", "compass", "oar", "sail", "barrel"];
const NAMES: &[&str] =
    &["Ada", "Grace", "Edsger", "Barbara", "Tony", "Frances", "Donald", "Radia", "Leslie", "Jean"];
const GENDERS: &[&str] = &["FEMALE", "MALE", "OTHER"];
const PAGES: &[&str] = &["/", "/catalogue", "/cart", "/checkout", "/help", "/account"];
const AGENTS: &[&str] = &["Mozilla/5.0 (X11; Linux x86_64)", "Mozilla/5.0 (Macintosh)", "curl/8.5.0"];
const STATUSES: &[&str] = &["200", "200", "200", "200", "200", "304", "404", "500"];

/// What the records are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Template {
    Orders,
    Users,
    Clicks,
}

impl Template {
    pub(crate) const NAMES: &[&str] = &["orders", "users", "clicks"];

    pub(crate) fn named(name: &str) -> Result<Self> {
        match name {
            "orders" => Ok(Self::Orders),
            "users" => Ok(Self::Users),
            "clicks" => Ok(Self::Clicks),
            _ => Err(Error::invalid(
                "template",
                name,
                format_args!("String must be one of: {}", Self::NAMES.join(", ")),
            )),
        }
    }

    /// Schema of the values.
    pub(crate) fn schema(self) -> Result<SchemaId> {
        let text = schemas::string()?;
        let int = schemas::of(Kind::Int32)?;
        let long = schemas::int64()?;
        let time = schemas::timestamp()?;
        match self {
            Self::Orders => {
                let address = schemas::structure(
                    "address",
                    &[("street", text), ("city", text), ("country", text), ("zip", int)],
                )?;
                schemas::structure(
                    "orders",
                    &[
                        ("id", long),
                        ("created_at", time),
                        ("customer_id", long),
                        ("item", text),
                        ("quantity", int),
                        ("price", schemas::of(Kind::Float64)?),
                        ("gift", schemas::of(Kind::Boolean)?),
                        ("note", schemas::optional(Kind::String)?),
                        ("address", address),
                    ],
                )
            }
            Self::Users => {
                let contact = schemas::structure(
                    "contact",
                    &[("email", text), ("phone", schemas::optional(Kind::String)?)],
                )?;
                schemas::structure(
                    "users",
                    &[
                        ("id", long),
                        ("registered_at", time),
                        ("name", text),
                        ("gender", text),
                        ("region", text),
                        ("interests", schemas::array(text)?),
                        ("contact", contact),
                    ],
                )
            }
            Self::Clicks => {
                let client = schemas::structure("client", &[("ip", text), ("agent", text)])?;
                schemas::structure(
                    "clicks",
                    &[
                        ("id", long),
                        ("time", time),
                        ("user_id", long),
                        ("page", text),
                        ("status", text),
                        ("bytes", int),
                        ("client", client),
                    ],
                )
            }
        }
    }

    /// Appends the value of record `k`.
    pub(crate) fn write(self, dice: &mut Dice, k: i64, out: &mut Vec<u8>) {
        match self {
            Self::Orders => order(dice, k, out),
            Self::Users => user(dice, k, out),
            Self::Clicks => click(dice, k, out),
        }
    }
}

fn order(dice: &mut Dice, k: i64, out: &mut Vec<u8>) {
    let mut row = Fields::start(out, 9);
    row.long(k);
    row.long(START_MS + k * 250 + i64::from(dice.below(250)));
    row.long(dice.below(10_000).into());
    row.text(dice.one_of(ITEMS));
    row.long(i64::from(dice.below(9)) + 1);
    row.float(f64::from(dice.below(50_000)) / 100.0 + 0.5);
    row.boolean(dice.below(10) == 0);
    if dice.below(4) == 0 {
        row.text("leave at the gate")
    } else {
        row.null()
    }
    row.nested(|out| {
        let (city, country) =
            CITIES.get(dice.below(CITIES.len() as u32) as usize).copied().unwrap_or_default();
        let mut address = Fields::start(out, 4);
        address.text(dice.one_of(STREETS));
        address.text(city);
        address.text(country);
        address.long(i64::from(dice.below(90_000)) + 10_000);
    });
}

fn user(dice: &mut Dice, k: i64, out: &mut Vec<u8>) {
    let name = dice.one_of(NAMES);
    let mut row = Fields::start(out, 7);
    row.long(k);
    row.long(START_MS + k * 1000 + i64::from(dice.below(1000)));
    row.text(name);
    row.text(dice.one_of(GENDERS));
    row.written(|out| {
        out.extend_from_slice(b"Region_");
        cofferdam_sdk::json::put_int(out, i64::from(dice.below(9)) + 1);
    });
    row.nested(|out| {
        let mut list = rows::ListWriter::start(out);
        for _ in 0..dice.below(4) {
            out.extend_from_slice(dice.one_of(ITEMS).as_bytes());
            list.item(out, false);
        }
        list.finish(out);
    });
    row.nested(|out| {
        let mut contact = Fields::start(out, 2);
        contact.written(|out| {
            out.extend(name.bytes().map(|byte| byte.to_ascii_lowercase()));
            cofferdam_sdk::json::put_int(out, k);
            out.extend_from_slice(b"@example.com");
        });
        if dice.below(2) == 0 {
            contact.null();
        } else {
            contact.written(|out| {
                out.extend_from_slice(b"+49 40 ");
                cofferdam_sdk::json::put_int(out, i64::from(dice.below(9_000_000)) + 1_000_000);
            });
        }
    });
}

fn click(dice: &mut Dice, k: i64, out: &mut Vec<u8>) {
    let mut row = Fields::start(out, 7);
    row.long(k);
    row.long(START_MS + k * 10 + i64::from(dice.below(10)));
    row.long(dice.below(100_000).into());
    row.text(dice.one_of(PAGES));
    row.text(dice.one_of(STATUSES));
    row.long(i64::from(dice.below(64 * 1024)));
    row.nested(|out| {
        let mut client = Fields::start(out, 2);
        client.written(|out| {
            // A network that is set aside for documentation.
            out.extend_from_slice(b"203.0.113.");
            cofferdam_sdk::json::put_int(out, dice.below(256).into());
        });
        client.text(dice.one_of(AGENTS));
    });
}

/// Writes the fields of a struct in order.
struct Fields<'o> {
    out: &'o mut Vec<u8>,
    row: RowWriter,
}

impl<'o> Fields<'o> {
    fn start(out: &'o mut Vec<u8>, n: usize) -> Self {
        let row = RowWriter::start(out, n);
        Self { out, row }
    }

    fn written(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(self.out);
        self.row.field(self.out, false);
    }

    fn nested(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.written(write);
    }

    fn long(&mut self, value: i64) {
        self.written(|out| rows::put_int(out, value));
    }

    fn float(&mut self, value: f64) {
        self.written(|out| rows::put_float(out, value));
    }

    fn boolean(&mut self, value: bool) {
        self.written(|out| rows::put_boolean(out, value));
    }

    fn text(&mut self, value: &str) {
        self.written(|out| out.extend_from_slice(value.as_bytes()));
    }

    fn null(&mut self) {
        self.row.field(self.out, true);
    }
}
