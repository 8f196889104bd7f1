//! `bench-transforms [CLASS...|chain]` prints what the stock transforms cost: nanoseconds of CPU time a
//! record in the sandbox, and beside it of the same code in this process, with the ratio.
//!
//! A batch has 500 orders of nine fields. What is counted is a call as a task makes it: the batch into
//! the guest, the work, the answer out and checked. No figure is judged here.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use anyhow::{Context as _, anyhow, bail};
use cofferdam_api::{ConfigMap, Schemas};
use cofferdam_plugins::{PluginInfo, PluginKind, Plugins, TransformStep, Usage};
use cofferdam_sdk::guest::{Instance, StepSpec};
use conformance::orders::{Ids, Parts, batch};
use conformance::sandbox;
use rustix::time::{ClockId, clock_gettime};

const RECORDS: usize = 500;
const RUNS: usize = 9;
const RUN_NS: u64 = 60_000_000;

type Pairs = &'static [(&'static str, &'static str)];
/// A class and its configuration.
type Step = (&'static str, Pairs);

const TRANSFORMS: [Step; 16] = [
    ("Cast$Value", &[("spec", "quantity:int64,price:string")]),
    ("DropHeaders", &[("headers", "trace")]),
    ("ExtractField$Value", &[("field", "email")]),
    ("Filter", &[]),
    ("Flatten$Value", &[]),
    ("HeaderFrom$Value", &[("fields", "customer"), ("headers", "customer"), ("operation", "copy")]),
    ("HoistField$Value", &[("field", "order")]),
    ("InsertField$Value", INSERT),
    ("InsertHeader", &[("header", "source"), ("value.literal", "shop")]),
    ("MaskField$Value", MASK),
    ("RegexRouter", ROUTE),
    ("ReplaceField$Value", &[("exclude", "note"), ("renames", "id:order_id")]),
    ("SetSchemaMetadata$Value", &[("schema.name", "shop.NewOrder")]),
    (
        "TimestampConverter$Value",
        &[("field", "created"), ("target.type", "string"), ("format", "yyyy-MM-dd HH:mm:ss")],
    ),
    ("TimestampRouter", &[]),
    ("ValueToKey", &[("fields", "id")]),
];

const PREDICATES: [Step; 3] = [
    ("HasHeaderKey", &[("name", "trace")]),
    ("RecordIsTombstone", &[]),
    ("TopicNameMatches", &[("pattern", "ord.*")]),
];

const ROUTE: Pairs = &[("regex", "(.*)"), ("replacement", "shop-$1")];
const MASK: Pairs = &[("fields", "customer,email")];
const INSERT: Pairs = &[("timestamp.field", "at"), ("static.field", "source"), ("static.value", "shop")];

const CHAIN: [Step; 3] = [("RegexRouter", ROUTE), ("MaskField$Value", MASK), ("InsertField$Value", INSERT)];

/// Nanoseconds a record: all in all, and of that in the guest and the host functions that it calls.
#[derive(Clone, Copy)]
struct Cost {
    all: f64,
    guest: f64,
}

fn main() -> anyhow::Result<()> {
    // One thread, so that its CPU time is all there is.
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(run())
}

async fn run() -> anyhow::Result<()> {
    let only: Vec<String> = std::env::args().skip(1).collect();
    let named = |class: &str| only.is_empty() || only.iter().any(|name| class.contains(name.as_str()));
    let wanted = |(class, _): &Step| named(class);
    let plugins = sandbox::guests().await?;
    println!("ns of CPU time a record, batches of {RECORDS}; in brackets, of it inside the call");
    row(["", "schemaless", "native", "with schema", "native"].map(str::to_owned));
    for step in TRANSFORMS.into_iter().filter(wanted) {
        chain(&plugins, step.0, &[step]).await;
    }
    for step in PREDICATES.into_iter().filter(wanted) {
        let [plain, schema] = [tested(&plugins, step, false).await, tested(&plugins, step, true).await];
        row([step.0.to_owned(), show(plain), String::new(), show(schema), String::new()]);
    }
    if named("chain") {
        println!("\nin one call: {}", CHAIN.map(|(class, _)| class).join(", "));
        chain(&plugins, "chain of three", &CHAIN).await;
    }
    Ok(())
}

/// Prints what a chain costs. What cannot be measured, such as a step that is not there or wants a
/// schema, has no cost.
async fn chain(plugins: &Plugins, name: &str, chain: &[Step]) {
    let mut cells = vec![name.to_owned()];
    for schema in [false, true] {
        let sandbox = in_sandbox(plugins, chain, schema).await;
        let native = natively(plugins, chain, schema).await;
        let ratio = match (&sandbox, native) {
            (Ok(sandbox), Ok(native)) => format!("{:.0} ×{:.2}", native.all, sandbox.all / native.all),
            _ => String::new(),
        };
        cells.extend([show(sandbox), ratio]);
    }
    if let Ok(cells) = cells.try_into() {
        row(cells);
    }
}

fn row([name, plain, native_plain, schema, native_schema]: [String; 5]) {
    println!("{name:<26} {plain:>13} {native_plain:>11} {schema:>15} {native_schema:>11}");
}

fn show(cost: anyhow::Result<Cost>) -> String {
    cost.map_or_else(|_| "-".to_owned(), |cost| format!("{:.0} ({:.0})", cost.all, cost.guest))
}

/// The batch that a task would hand to these plugins: without what none of them looks at.
fn batch_for(infos: &[PluginInfo], schemas: &Schemas, schema: bool) -> anyhow::Result<Vec<u8>> {
    let ids = Ids::define(schemas)?;
    let ids = if schema { ids } else { Ids { order: 0, ..ids } };
    let parts = Parts {
        key: infos.iter().any(|info| info.needs_key),
        value: infos.iter().any(|info| info.needs_value),
        headers: infos.iter().any(|info| info.needs_headers),
    };
    Ok(batch(RECORDS, ids, parts)?)
}

fn find(plugins: &Plugins, (class, _): Step, kind: PluginKind) -> anyhow::Result<PluginInfo> {
    plugins.plugin(class, &[kind]).with_context(|| format!("no plugin {class}"))
}

/// What `chain` costs in a guest. The host's checks of what it answers count, since a task waits for
/// them too.
async fn in_sandbox(plugins: &Plugins, chain: &[Step], schema: bool) -> anyhow::Result<Cost> {
    let infos = chain.iter().map(|step| find(plugins, *step, PluginKind::Transform));
    let infos = infos.collect::<anyhow::Result<Vec<_>>>()?;
    let (schemas, usage) = (Arc::<Schemas>::default(), Arc::<Usage>::default());
    let batch = batch_for(&infos, &schemas, schema)?;
    let step = |(class, config): &Step| {
        let class = (*class).to_owned();
        TransformStep { class, config: map(config), condition: None }
    };
    let steps: Vec<_> = chain.iter().map(step).collect();
    let spec = sandbox::spec("", ConfigMap::new(), &schemas, &usage);
    let mut transform = plugins.transform(spec, &steps).await?;
    if let Some(bad) = transform.apply(&batch).await?.bad.first() {
        bail!("{}", bad.message);
    }
    let guest = || usage.cpu_ns.load(Ordering::Relaxed);
    measure(guest, async || {
        black_box(transform.apply(black_box(&batch)).await?);
        Ok(())
    })
    .await
}

/// What a predicate costs in a guest, asked by the host.
async fn tested(plugins: &Plugins, step: Step, schema: bool) -> anyhow::Result<Cost> {
    let info = find(plugins, step, PluginKind::Predicate)?;
    let (schemas, usage) = (Arc::<Schemas>::default(), Arc::<Usage>::default());
    let batch = batch_for(&[info], &schemas, schema)?;
    let mut predicate = plugins.predicate(sandbox::spec(step.0, map(step.1), &schemas, &usage)).await?;
    let guest = || usage.cpu_ns.load(Ordering::Relaxed);
    measure(guest, async || {
        black_box(predicate.test(black_box(&batch)).await?);
        Ok(())
    })
    .await
}

/// What `chain` costs in this process, on the same batch.
async fn natively(plugins: &Plugins, chain: &[Step], schema: bool) -> anyhow::Result<Cost> {
    let infos = chain.iter().map(|step| find(plugins, *step, PluginKind::Transform));
    let infos = infos.collect::<anyhow::Result<Vec<_>>>()?;
    let schemas = Schemas::default();
    let batch = batch_for(&infos, &schemas, schema)?;
    // The stand-in for the worker numbers schemas as they come, as the worker does.
    for id in 1.. {
        let Some(schema) = schemas.get(id) else { break };
        cofferdam_sdk::schemas::define(&schema).map_err(|error| anyhow!("{error}"))?;
    }
    let step = |(class, config): &Step| StepSpec {
        class: (*class).to_owned(),
        config: map(config).into_iter().collect(),
        condition: None,
    };
    let mut instance = Instance::new(transforms::plugins());
    instance.configure_chain(chain.iter().map(step).collect()).map_err(|error| anyhow!("{error}"))?;
    measure(cpu_ns, async || {
        black_box(instance.apply(black_box(&batch)).map_err(|error| anyhow!("{error}"))?);
        Ok(())
    })
    .await
}

/// The cheapest of some runs of `call`, since whatever else the machine does only adds to a run; each is
/// long enough to be told from the clock's own cost. `guest` is a clock that runs inside the call only.
async fn measure(
    guest: impl Fn() -> u64,
    mut call: impl AsyncFnMut() -> anyhow::Result<()>,
) -> anyhow::Result<Cost> {
    let mut runs = Vec::with_capacity(RUNS);
    let mut rounds: u32 = 1;
    while runs.len() < RUNS {
        let (all_from, guest_from) = (cpu_ns(), guest());
        for _ in 0..rounds {
            call().await?;
        }
        let (all, guest) = (cpu_ns() - all_from, guest() - guest_from);
        if all < RUN_NS {
            rounds *= 2;
            continue;
        }
        let records = f64::from(rounds) * RECORDS as f64;
        runs.push(Cost { all: all as f64 / records, guest: guest as f64 / records });
    }
    runs.into_iter().min_by(|a: &Cost, b| a.all.total_cmp(&b.all)).context("no run")
}

fn map(pairs: Pairs) -> ConfigMap {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn cpu_ns() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    (time.tv_sec as u64).saturating_mul(1_000_000_000).saturating_add(time.tv_nsec as u64)
}
