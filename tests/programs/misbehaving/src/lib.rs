//! A source, a sink, a transform and a predicate that behave well unless their configuration has a
//! key `fault.<call>`: then that call does what the value says ([`fault::act`]).
//!
//! | class            | does, unless told otherwise                                                          |
//! |------------------|--------------------------------------------------------------------------------------|
//! | `test.Source`    | makes `records` records `line-<n>` for `topic`; with `file`, one with the file's size |
//! | `test.Sink`      | counts what it is given in the metric `records`; with `file`, writes values to it     |
//! | `test.Transform` | appends `suffix` to the topic, keeps the rest; drops values that contain `drop`       |
//! | `test.Predicate` | true for values that contain `contains`                                               |
//! | `test.IdempotentSink` | as `test.Sink`, and says that it may be given a batch twice                       |
//! | `test.TransactionalSource` | as `test.Source`, and ends its transactions behind each `commit.each` records; every `abort.each`-th of them is aborted |
//! | `test.Converter` | reads bytes as text in angle brackets, writes text as it is; refuses `reject`         |
//!
//! Transform, predicate, converter and sinks trap on a value that contains `trap.on`, or do with it what `poison` says; the
//! source traps behind each `trap.each` records.

wit_bindgen::generate!({ path: "../../../wit", world: "bundle" });

mod converter;
mod describe;
mod fault;
mod sink;
mod source;
mod transform;

use std::cell::RefCell;
use std::collections::HashMap;

use cofferdam::connect::connect_types::{Config, Error};
use exports::cofferdam::connect::connector_api;

struct Misbehaving;

export!(Misbehaving);

thread_local! {
    static CONFIG: RefCell<HashMap<String, String>> = RefCell::default();
}

fn set_config(config: Config) {
    CONFIG.with_borrow_mut(|known| *known = config.into_iter().collect());
}

fn setting(key: &str) -> Option<String> {
    CONFIG.with_borrow(|config| config.get(key).cloned())
}

fn number(key: &str, default: u64) -> u64 {
    setting(key).and_then(|text| text.parse().ok()).unwrap_or(default)
}

impl connector_api::Guest for Misbehaving {
    fn start(_: String, config: Config) -> Result<(), Error> {
        set_config(config);
        fault::act("connector.start")
    }

    fn task_configs(max_tasks: u32) -> Result<Vec<Config>, Error> {
        fault::act("connector.task_configs")?;
        let config: Config = CONFIG.with_borrow(|config| config.clone().into_iter().collect());
        let copies = u64::from(max_tasks).min(number("tasks", 1));
        Ok((0..copies).map(|_| config.clone()).collect())
    }

    fn stop() {
        _ = fault::act("connector.stop");
    }
}
