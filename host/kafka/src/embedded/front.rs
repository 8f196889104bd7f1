//! Stands before the embedded broker and makes fetches wait.
//!
//! The broker answers a fetch at once even when there is nothing, so an idle consumer asks without
//! end and uses up a processor. Here such an answer is held back until something was written or the
//! consumer's `fetch.max.wait.ms` is over, as a real broker does; then the same request is asked
//! again. Everything else passes as it is. Two threads a connection: the broker's and this one's.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cofferdam_stdx::time::{Instant, now};
use kafka_protocol::messages::{ApiKey, FetchRequest, FetchResponse, RequestHeader, ResponseHeader};
use kafka_protocol::protocol::Decodable as _;
use noida::kafka::connection::handle_connection;
use noida::kafka::engine::Engine;

/// Longest frame that is passed on.
const FRAME_MAX: usize = 1 << 30;
/// A longer answer to a fetch has records for sure: no need to look.
const EMPTY_MAX: usize = 256 << 10;
/// After a write that did not concern a fetch, how long it sleeps at first and at most.
const PAUSE_FIRST: Duration = Duration::from_millis(1);
const PAUSE_MAX: Duration = Duration::from_millis(16);

/// Serves connections of `listener` until the process ends.
pub(super) fn serve(listener: &TcpListener, engine: &Engine) {
    let writes = Arc::new(Writes::default());
    for client in listener.incoming().flatten() {
        let (engine, writes) = (engine.clone(), Arc::clone(&writes));
        let work = move || {
            // A connection that breaks is the client's to notice.
            if let Err(error) = serve_connection(client, engine, &writes) {
                tracing::debug!(%error, "a connection to the embedded broker ended");
            }
        };
        if let Err(error) = std::thread::Builder::new().name("kafka-front".into()).spawn(work) {
            tracing::warn!(%error, "the embedded broker cannot serve another connection");
        }
    }
}

fn serve_connection(mut client: TcpStream, engine: Engine, writes: &Writes) -> io::Result<()> {
    client.set_nodelay(true)?;
    let mut broker = connect(engine)?;
    let (mut request, mut answer) = (Vec::new(), Vec::new());
    while read(&mut client, &mut request)? {
        let seen = writes.mark();
        ask(&mut broker, &request, &mut answer)?;
        match kind(&request) {
            Kind::Fetch { wait, version } => {
                hold(&mut broker, &request, &mut answer, version, now() + wait, writes, seen)?
            }
            Kind::Write => writes.note(),
            Kind::Other => {}
        }
        client.write_all(&answer)?;
    }
    Ok(())
}

/// Asks again until there is something to tell.
fn hold(
    broker: &mut TcpStream,
    request: &[u8],
    answer: &mut Vec<u8>,
    version: i16,
    deadline: Instant,
    writes: &Writes,
    mut seen: u64,
) -> io::Result<()> {
    let mut pause = Duration::ZERO;
    while is_empty(answer, version) && now() < deadline {
        // Writes to other topics end the wait too; it asks the less often the more of them there are.
        writes.wait(seen, now() + pause, deadline);
        pause = (pause * 2).clamp(PAUSE_FIRST, PAUSE_MAX);
        seen = writes.mark();
        ask(broker, request, answer)?;
    }
    Ok(())
}

/// A connection to the broker behind.
fn connect(engine: Engine) -> io::Result<TcpStream> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let ours = TcpStream::connect(listener.local_addr()?)?;
    ours.set_nodelay(true)?;
    let (theirs, _) = listener.accept()?;
    let work = move || handle_connection(theirs, engine);
    std::thread::Builder::new().name("kafka-broker".into()).spawn(work)?;
    Ok(ours)
}

// === Frames ===

/// Sends a frame and reads the one that answers it.
fn ask(broker: &mut TcpStream, request: &[u8], answer: &mut Vec<u8>) -> io::Result<()> {
    broker.write_all(request)?;
    if read(broker, answer)? { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

/// Reads a frame with its length; false at the end.
fn read(from: &mut TcpStream, frame: &mut Vec<u8>) -> io::Result<bool> {
    let mut head = [0; 4];
    match from.read_exact(&mut head) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
        Err(error) => return Err(error),
    }
    let len = usize::try_from(u32::from_be_bytes(head)).unwrap_or(usize::MAX);
    if len > FRAME_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a frame is too long"));
    }
    frame.clear();
    // One large frame must not keep its memory for ever.
    frame.shrink_to(EMPTY_MAX);
    frame.extend_from_slice(&head);
    // Grows with what arrives, whatever the length says.
    let got = from.take(len as u64).read_to_end(frame)?;
    if got == len { Ok(true) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

/// What a request means here.
enum Kind {
    Fetch {
        wait: Duration,
        version: i16,
    },
    /// Records may become visible.
    Write,
    Other,
}

fn kind(request: &[u8]) -> Kind {
    let Some((_, [a, b, c, d, ..])) = request.split_at_checked(4) else { return Kind::Other };
    let version = i16::from_be_bytes([*c, *d]);
    match ApiKey::try_from(i16::from_be_bytes([*a, *b])) {
        Ok(ApiKey::Fetch) => {
            fetch_wait(request, version).map_or(Kind::Other, |wait| Kind::Fetch { wait, version })
        }
        Ok(
            ApiKey::Produce
            | ApiKey::EndTxn
            | ApiKey::InitProducerId
            | ApiKey::DeleteRecords
            | ApiKey::DeleteTopics,
        ) => Kind::Write,
        _ => Kind::Other,
    }
}

/// How long a fetch may wait.
fn fetch_wait(request: &[u8], version: i16) -> Option<Duration> {
    let mut bytes = bytes_of(request.get(4..)?);
    RequestHeader::decode(&mut bytes, ApiKey::Fetch.request_header_version(version)).ok()?;
    let fetch = FetchRequest::decode(&mut bytes, version).ok()?;
    Some(Duration::from_millis(u64::try_from(fetch.max_wait_ms).unwrap_or_default()))
}

/// Whether an answer to a fetch has neither records nor errors.
fn is_empty(answer: &[u8], version: i16) -> bool {
    let decode = || {
        let mut bytes = bytes_of(answer.get(4..)?);
        ResponseHeader::decode(&mut bytes, ApiKey::Fetch.response_header_version(version)).ok()?;
        FetchResponse::decode(&mut bytes, version).ok()
    };
    if answer.len() > EMPTY_MAX {
        return false;
    }
    decode().is_some_and(|answer| {
        let mut partitions = answer.responses.iter().flat_map(|topic| &topic.partitions);
        answer.error_code == 0
            && partitions.all(|partition| {
                partition.error_code == 0
                    && partition.records.as_ref().is_none_or(|records| records.is_empty())
            })
    })
}

fn bytes_of(slice: &[u8]) -> bytes::Bytes {
    bytes::Bytes::copy_from_slice(slice)
}

// === Writes ===

/// Counts writes, for those who wait for one.
#[derive(Default)]
struct Writes {
    count: Mutex<u64>,
    changed: Condvar,
}

impl Writes {
    fn mark(&self) -> u64 {
        *self.lock()
    }

    fn note(&self) {
        *self.lock() += 1;
        self.changed.notify_all();
    }

    /// Returns when there was a write since `seen`, but not before `earliest`, or it is too late.
    fn wait(&self, seen: u64, earliest: Instant, deadline: Instant) {
        let mut count = self.lock();
        loop {
            let until = if *count == seen { deadline } else { earliest.min(deadline) };
            let left = until.saturating_duration_since(now());
            if left.is_zero() {
                return;
            }
            count = self.changed.wait_timeout(count, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, u64> {
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
