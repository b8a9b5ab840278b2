//! What crosses between C++ and Rust, and how.
//!
//! A call never blocks: it hands the work to the runtime and is finished through a `Completion` that C++ owns,
//! called exactly once, from a runtime thread, with a `Reply`. A panic aborts the process (panic = "abort").
//!
//! Slices that C++ passes to a call with a `Completion` are borrowed until that completion is called: the
//! caller keeps them alive until then (`clients::call` awaits it in the frame that owns them).

use std::sync::OnceLock;
use tokio::runtime::Runtime;

use crate::cassandra::{cassandra_new, Cassandra};
use crate::redis::{redis_new, Redis};
use crate::s3::{s3_new, S3};

#[cxx::bridge(namespace = "dataflow::clients")]
pub mod ffi {
    /// The code of a reply: `ok`, or the domain's error codes.
    #[derive(Debug, PartialEq, Eq)]
    enum Status {
        Ok,
        Invalid,
        NotFound,
        Unavailable,
        Unauthorized,
        Conflict,
        Internal,
    }

    /// What a call brought: values one after another in `bytes`, their lengths in `lengths`
    /// (-1: null, -2: no such row), and a number and a word whose meaning the call defines.
    #[derive(Debug)]
    struct Reply {
        status: Status,
        /// For the user: what failed, where, what to do. Never a secret.
        message: String,
        /// For the operator: the client's own words.
        cause: String,
        bytes: Vec<u8>,
        lengths: Vec<i32>,
        number: i64,
        word: String,
    }

    /// Files in PEM.
    #[derive(Clone)]
    struct TlsOptions {
        enabled: bool,
        /// Empty: the system's authorities.
        ca_file: String,
        /// What the client shows of itself; both or neither.
        cert_file: String,
        key_file: String,
    }

    #[derive(Clone)]
    struct CassandraOptions {
        /// Contact points, "host" or "host:port".
        hosts: Vec<String>,
        /// For the hosts that name none.
        port: u16,
        /// Empty: no authentication.
        user: String,
        pass: String,
        /// Of writes and reads: "one", "quorum", "local_quorum", "all", ...
        consistency: String,
        /// The datacenter whose nodes are asked, or, with a consistency that is no local one, asked first; empty: any.
        datacenter: String,
        tls: TlsOptions,
        /// A node's certificate may be for its address, for a name in `hosts`, or for this one.
        tls_name: String,
        connect_timeout_ms: u32,
        request_timeout_ms: u32,
    }

    #[derive(Clone)]
    struct RedisOptions {
        /// "host:port".
        addr: String,
        user: String,
        pass: String,
        db: i64,
        tls: TlsOptions,
        connect_timeout_ms: u32,
        response_timeout_ms: u32,
    }

    #[derive(Clone)]
    struct S3Options {
        bucket: String,
        /// Empty: from the environment or the client's default.
        region: String,
        /// Empty: from the environment (AWS_ENDPOINT_URL), else AWS itself.
        endpoint: String,
        /// Of https endpoints; `enabled` counts for nothing.
        tls: TlsOptions,
        connect_timeout_ms: u32,
        /// The longest pause of an answer; the whole of it may take ten times as long.
        request_timeout_ms: u32,
        /// Retries of one request by the client itself (throttling, 5xx, broken connections).
        retries: u32,
        retry_timeout_ms: u32,
    }

    unsafe extern "C++" {
        include!("clients/completion.h");
        type Completion;
        fn complete(self: Pin<&mut Completion>, reply: Reply);
    }

    extern "Rust" {
        /// Starts the runtime with this many threads; without effect when it already runs.
        fn start_runtime(threads: usize);

        type Cassandra;
        /// Without I/O.
        fn cassandra_new(options: CassandraOptions) -> Box<Cassandra>;
        /// Connects; to be done before any other call.
        fn connect(self: &Cassandra, done: UniquePtr<Completion>);
        /// One unprepared statement, on any node. The rows' cells in order, undecoded; `number`: columns.
        fn query(self: &Cassandra, cql: &str, done: UniquePtr<Completion>);
        /// The same on every node of the cluster, for what a node says of itself: rows of all nodes one after another,
        /// each with one cell more at its front, the node's host id. Skips nodes that do not answer; fails where none does.
        fn query_each_node(self: &Cassandra, cql: &str, done: UniquePtr<Completion>);
        /// The statements that `save`, `select` and `select_together` use from now on.
        fn prepare(
            self: &Cassandra,
            insert: &str,
            select: &str,
            select_together: &str,
            done: UniquePtr<Completion>,
        );
        /// Writes rows in one request: an INSERT for one row, an unlogged batch for several, all with write time
        /// `time_us`. Cells in CQL's binary form one after another in `bytes`, their lengths in `lengths`
        /// (-1: null), `columns` cells a row. Goes to a replica of the first row. Not retried.
        fn save(
            self: &Cassandra,
            bytes: &[u8],
            lengths: &[i32],
            columns: usize,
            time_us: i64,
            done: UniquePtr<Completion>,
        );
        /// One SELECT for each id, at once. The cells of each row in order; lengths of -2 for every cell of a row
        /// that is not there. `number`: columns.
        fn select(self: &Cassandra, ids: &[i64], done: UniquePtr<Completion>);
        /// The same reply by one SELECT of all ids, on any node. The statement's rows begin with the id.
        fn select_together(self: &Cassandra, ids: &[i64], done: UniquePtr<Completion>);
        /// A number for each id, the same where the same nodes hold the rows; 0 for all when unknown.
        fn replica_groups(self: &Cassandra, keyspace: &str, table: &str, ids: &[i64], groups: &mut [u32]);

        /// The datacenters of all nodes, up or down, as far as one of them told when the client last asked; no I/O.
        fn datacenters(self: &Cassandra) -> Vec<String>;

        type Redis;
        /// Without I/O.
        fn redis_new(options: RedisOptions) -> Box<Redis>;
        /// Connects (again, if it was connected).
        fn connect(self: &Redis, done: UniquePtr<Completion>);
        /// False before connect() is done, and once a call found the connection lost: it never reconnects by itself.
        fn connected(self: &Redis) -> bool;
        /// A pipeline of commands in one round trip. Arguments one after another in `bytes`, their lengths in
        /// `lengths`, `commands` the number of arguments of each command. The reply has the values of all
        /// answers flattened in order: strings as they are, integers in decimal, nil as -1. The first command
        /// that the server refuses makes the whole reply an error, its cause the server's words. `number`: values.
        fn call(
            self: &Redis,
            bytes: &[u8],
            lengths: &[u32],
            commands: &[u32],
            done: UniquePtr<Completion>,
        );

        type S3;
        /// Without I/O; wrong options make every call fail.
        fn s3_new(options: S3Options) -> Box<S3>;
        /// One page of the objects whose key begins with `prefix` and comes after `after`, in byte order; or, where
        /// there is a `token`, from where that says. For each object three values: key, ETag (empty where there is
        /// none), size in decimal. `number`: 1 where there are more; `word`: the token where a page has no key that
        /// says after what.
        fn list(self: &S3, prefix: &str, after: &str, token: &str, done: UniquePtr<Completion>);
        /// The same three values for one object.
        fn head(self: &S3, key: &str, done: UniquePtr<Completion>);
        /// `length` bytes from `offset`, only if the ETag is still `if_match` (empty: any): Conflict otherwise.
        /// Unavailable where fewer bytes came. `number`: the size of the whole object; `word`: what its Content-Encoding
        /// says that it is compressed with ("gzip", "zstd"), else empty.
        fn get(
            self: &S3,
            key: &str,
            offset: u64,
            length: u64,
            if_match: &str,
            done: UniquePtr<Completion>,
        );
    }
}

pub use ffi::{CassandraOptions, Completion, RedisOptions, Reply, S3Options, Status, TlsOptions};

// A completion may be called from any thread: it only posts to the caller's executor.
unsafe impl Send for ffi::Completion {}

pub type Done = cxx::UniquePtr<Completion>;

impl Reply {
    pub fn ok() -> Reply {
        Reply {
            status: Status::Ok,
            message: String::new(),
            cause: String::new(),
            bytes: Vec::new(),
            lengths: Vec::new(),
            number: 0,
            word: String::new(),
        }
    }

    pub fn error(status: Status, message: impl Into<String>, cause: impl std::fmt::Display) -> Reply {
        Reply { status, message: message.into(), cause: cause.to_string(), ..Reply::ok() }
    }

    /// Appends one value.
    pub fn push(&mut self, value: &[u8]) {
        self.bytes.extend_from_slice(value);
        self.lengths.push(value.len() as i32);
    }

    /// Appends a null.
    pub fn push_null(&mut self) {
        self.lengths.push(-1);
    }
}

/// How a client's error becomes a reply; each client implements it once.
pub trait IntoReply {
    fn into_reply(self) -> Reply;
}

/// Runs `work` on the runtime and finishes `done` with what it returns.
pub fn spawn<F>(mut done: Done, work: F)
where
    F: std::future::Future<Output = Reply> + Send + 'static,
{
    runtime().spawn(async move {
        let reply = work.await;
        done.pin_mut().complete(reply);
    });
}

/// Extends a borrow that C++ promised to keep alive until the completion is called.
///
/// # Safety
/// The slice must not be used after the completion of the call that it was passed to.
pub unsafe fn until_completed<T>(slice: &[T]) -> &'static [T] {
    unsafe { std::slice::from_raw_parts(slice.as_ptr(), slice.len()) }
}

static RUNTIME: OnceLock<Runtime> = OnceLock::new();

/// As the programs end when a server or the system failed them.
const EXIT_FAILED: i32 = 4;

fn build(threads: usize) -> Runtime {
    // The default hook may add a backtrace, which takes memory under a lock: where memory was what lacked,
    // the failure of that waited for the lock, and the process for ever. What follows a panic is abort().
    std::panic::set_hook(Box::new(|panic| eprintln!("{panic}")));
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads.max(1))
        .thread_name("clients")
        .enable_all()
        .build()
        .unwrap_or_else(|problem| {
            // Nothing has been begun yet, and nothing can be.
            eprintln!(
                "error: the clients of Cassandra, Redis and S3 cannot be started: {problem}; \
                 allow more open files (ulimit -n), threads and memory (ulimit -a)"
            );
            std::process::exit(EXIT_FAILED)
        })
}

pub fn runtime() -> &'static Runtime {
    RUNTIME.get_or_init(|| build(1))
}

fn start_runtime(threads: usize) {
    RUNTIME.get_or_init(|| build(threads));
}
