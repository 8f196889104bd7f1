//! An example to start from: a source that makes up orders of a shop, with e-mail addresses and card
//! numbers that nobody downstream should see. `./quickstart` uploads it.
//!
//!     cargo build --release --target wasm32-wasip2 -p cofferdam-example-shop

use std::time::{Duration, Instant};

use cofferdam_sdk::json::{self, Object};
use cofferdam_sdk::rows::{self, RowWriter};
use cofferdam_sdk::{
    BatchWriter, Config, ConfigDef, Error, Key, Kind, PluginInfo, Result, SchemaId, Source, SourceContext,
    schemas,
};

/// What the offsets are about: this source has one part only.
const PARTITION: &str = r#"{"shop":"main"}"#;

const CUSTOMERS: [&str; 5] = ["Ada", "Grace", "Linus", "Margaret", "Edsger"];
const ITEMS: [(&str, f64); 4] = [("lantern", 24.5), ("rope", 9.95), ("anchor", 149.0), ("compass", 38.0)];

struct ShopOrders {
    topic: String,
    /// How many orders there will ever be.
    orders: i64,
    interval: Duration,
    /// Number of the next order, and when it is due.
    next: i64,
    due: Instant,
    key: SchemaId,
    order: SchemaId,
}

cofferdam_sdk::plugins! {
    source ShopOrders;
}

impl Source for ShopOrders {
    fn info() -> PluginInfo {
        PluginInfo::source("dev.cofferdam.examples.ShopOrders")
            .version(env!("CARGO_PKG_VERSION"))
            .doc("Makes up orders of a shop.")
            .config(
                ConfigDef::new()
                    .key(Key::string("topic").non_empty().high().doc("Topic for the orders"))
                    .key(Key::long("orders").default(20).at_least(1.0).doc("How many orders there are"))
                    .key(Key::long("interval.ms").default(50).at_least(0.0).doc("Time between two orders")),
            )
    }

    fn start(config: &Config, context: &SourceContext) -> Result<Self> {
        let text = schemas::string()?;
        let fields =
            [("id", schemas::int64()?), ("customer", text), ("email", text), ("card", text), ("item", text)];
        let amount = [("amount", schemas::of(Kind::Float64)?)];
        Ok(Self {
            topic: config.string("topic")?.to_owned(),
            orders: config.long("orders")?,
            interval: Duration::from_millis(config.long("interval.ms")?.unsigned_abs()),
            next: resume(context.offset(PARTITION)?.as_deref())?,
            due: Instant::now(),
            key: text,
            order: schemas::structure("shop.Order", &[&fields[..], &amount[..]].concat())?,
        })
    }

    fn poll(&mut self, out: &mut BatchWriter) -> Result<()> {
        let early = if self.next < self.orders {
            self.due.saturating_duration_since(Instant::now())
        } else {
            out.wait()
        };
        std::thread::sleep(early.min(out.wait()));
        let partition = out.partition(PARTITION)?;
        while self.next < self.orders && Instant::now() >= self.due && !out.is_full() {
            let n = self.next;
            out.record(&self.topic)?
                .key(self.key, customer(n).as_bytes())
                .value_with(self.order, |value| put_order(value, n))
                // Where to go on after a restart: behind this order.
                .offset(partition, &json::object_of_int("next", n + 1))
                .send();
            self.next += 1;
            self.due += self.interval;
        }
        Ok(())
    }
}

/// The first order to make, given the offset stored for the last.
fn resume(offset: Option<&str>) -> Result<i64> {
    let Some(offset) = offset else { return Ok(0) };
    let next = Object::parse(offset).and_then(|object| object.int("next"));
    next.ok_or_else(|| Error::fatal(format!("The stored offset is none of this source: {offset}")))
}

/// One order, field by field as in its schema.
fn put_order(out: &mut Vec<u8>, n: i64) {
    let (item, amount) = pick(&ITEMS, n * 7);
    let card = format!("4242 4242 {:04} {:04}", n * 37 % 10_000, n * 7_919 % 10_000);
    let mut row = RowWriter::start(out, 6);
    rows::put_int(out, n);
    row.field(out, false);
    for text in [customer(n), &format!("{}@example.com", customer(n).to_lowercase()), &card, item] {
        out.extend_from_slice(text.as_bytes());
        row.field(out, false);
    }
    rows::put_float(out, amount);
    row.field(out, false);
}

fn customer(n: i64) -> &'static str {
    pick(&CUSTOMERS, n)
}

fn pick<T: Copy + Default>(from: &[T], n: i64) -> T {
    let at = usize::try_from(n).unwrap_or_default() % from.len().max(1);
    from.get(at).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use cofferdam_sdk::rows::Row;

    use super::*;

    #[test]
    fn an_order_is_laid_out_by_its_schema() {
        let mut bytes = Vec::new();
        put_order(&mut bytes, 1);
        let row = Row::new(&bytes, 6).unwrap();
        let field = |at| row.get(at).flatten().unwrap();
        assert_eq!(rows::int(field(0)), Some(1));
        let texts: Vec<_> = (1..5).map(|at| rows::text(field(at)).unwrap()).collect();
        assert_eq!(texts, ["Grace", "grace@example.com", "4242 4242 0037 7919", "compass"]);
        assert_eq!(rows::float(field(5)), Some(38.0));
    }

    #[test]
    fn it_goes_on_behind_the_last_stored_order() {
        assert_eq!(resume(None).unwrap(), 0);
        assert_eq!(resume(Some(r#"{"next":12}"#)).unwrap(), 12);
        assert!(resume(Some("{}")).is_err());
    }
}
