//! Wrong things to do.

use std::cell::RefCell;
use std::collections::HashMap;

use crate::cofferdam::connect::connect_log;
use crate::cofferdam::connect::connect_types::{BadRecord, ConfigProblem, Error, Retry};
use crate::{number, setting};

thread_local! {
    static CALLS: RefCell<HashMap<String, u64>> = RefCell::default();
}

/// Does what the setting `fault.<call>` says, from call number `fault.after` on (0 = the first) and
/// before call number `fault.until`.
/// Values that only a source or transform can act on are left to it: see [`kind`].
pub(crate) fn act(call: &str) -> Result<(), Error> {
    let Some(kind) = kind(call) else { return Ok(()) };
    let (kind, argument) = kind.split_once('=').unwrap_or((&kind, ""));
    match kind {
        "trap" => panic!("told to panic in {call}"),
        "unreachable" => core::arch::wasm32::unreachable(),
        "overflow" => deep(1),
        "exit" => std::process::exit(3),
        "loop" => spin(),
        "sleep" => std::thread::sleep(std::time::Duration::from_secs(3_600)),
        "nap" => std::thread::sleep(std::time::Duration::from_millis(argument.parse().unwrap_or(1))),
        "grow" => grow(),
        "shy-grow" => shy_grow(),
        "log" => log(argument.parse().unwrap_or(1)),
        "print" => println!("{argument}"),
        "read" => read(argument)?,
        "append" => append(argument)?,
        "env" => {
            return Err(Error::Fatal(format!("{:?} {:?}", env_vars(), std::env::args().collect::<Vec<_>>())));
        }
        "connect" => connect(argument)?,
        "retriable" => {
            return Err(Error::Retriable(Retry {
                message: "not now".to_owned(),
                backoff_ms: argument.parse().ok(),
            }));
        }
        "fatal" => return Err(Error::Fatal("told to fail".to_owned())),
        "config" => {
            let problem = ConfigProblem { key: "topic".to_owned(), message: "told to dislike it".to_owned() };
            return Err(Error::Config(vec![problem]));
        }
        "bad-records" => {
            let index = argument.parse().unwrap_or(0);
            return Err(Error::BadRecords(vec![BadRecord { index, step: 0, message: "told so".to_owned() }]));
        }
        _ => {}
    }
    Ok(())
}

/// The fault of this call, if it is its turn. Does not count as a call.
pub(crate) fn kind(call: &str) -> Option<String> {
    let kind = setting(&format!("fault.{call}"))?;
    let n = CALLS.with_borrow_mut(|calls| {
        let n = calls.entry(call.to_owned()).or_default();
        *n += 1;
        *n - 1
    });
    (n >= number("fault.after", 0) && n < number("fault.until", u64::MAX)).then_some(kind)
}

/// Does what the setting `poison` says (`trap` unless set) when `text` contains what `trap.on` says.
pub(crate) fn taste(text: &str) {
    if !setting("trap.on").is_some_and(|poison| text.contains(&poison)) {
        return;
    }
    match setting("poison").as_deref() {
        Some("loop") => spin(),
        Some("grow") => grow(),
        Some("sleep") => std::thread::sleep(std::time::Duration::from_secs(3_600)),
        _ => panic!("this record is poison: {text}"),
    }
}

fn env_vars() -> Vec<(String, String)> {
    std::env::vars().collect()
}

#[inline(never)]
fn deep(n: u64) -> () {
    if n > 0 {
        deep(std::hint::black_box(n + 1));
        std::hint::black_box(n);
    }
}

fn spin() -> ! {
    let mut n = 0_u64;
    loop {
        n = std::hint::black_box(n.wrapping_add(1));
    }
}

/// Takes memory until there is none; an allocation that fails traps.
fn grow() {
    let mut all = Vec::new();
    loop {
        all.push(vec![1_u8; 1 << 20]);
        std::hint::black_box(&all);
    }
}

/// Asks for more than there is and takes no for an answer.
fn shy_grow() {
    let mut all: Vec<Vec<u8>> = Vec::new();
    loop {
        let mut more = Vec::new();
        if more.try_reserve_exact(16 << 20).is_err() {
            return;
        }
        all.push(more);
    }
}

fn log(lines: u32) {
    for n in 0..lines {
        connect_log::write(connect_log::Level::Info, &format!("line {n}"));
    }
}

fn read(path: &str) -> Result<(), Error> {
    match std::fs::read_to_string(path) {
        Ok(text) => Err(Error::Fatal(format!("read {} bytes of {path}", text.len()))),
        Err(error) => Err(Error::Fatal(format!("cannot read {path}: {error}"))),
    }
}

fn connect(address: &str) -> Result<(), Error> {
    match std::net::TcpStream::connect(address) {
        Ok(_) => Err(Error::Fatal("connected".to_owned())),
        Err(error) => Err(Error::Fatal(format!("cannot connect: {error}"))),
    }
}

fn append(path: &str) -> Result<(), Error> {
    match std::fs::OpenOptions::new().append(true).create(true).open(path) {
        Ok(_) => Ok(()),
        Err(error) => Err(Error::Fatal(format!("cannot append to {path}: {error}"))),
    }
}
