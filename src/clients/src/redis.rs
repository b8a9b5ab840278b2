//! The Redis client: one multiplexed connection.
//!
//! It never reconnects by itself. A lost connection may come back to a restarted server with older data,
//! so whoever decides what to trust has to make a new `Redis` and look at the server first.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ErrorKind, IntoConnectionInfo, Pipeline,
    ClientTlsConfig, ProtocolVersion, RedisConnectionInfo, RedisError, RedisResult,
    TlsCertificates, Value,
};

use crate::bridge::{spawn, Done, IntoReply, RedisOptions, Reply, Status};
use crate::tls::{self, BadFile};

pub struct Redis {
    options: Arc<RedisOptions>,
    /// None: not connected yet, or the connection was lost.
    connection: Arc<Mutex<Option<MultiplexedConnection>>>,
}

pub fn redis_new(options: RedisOptions) -> Box<Redis> {
    Box::new(Redis { options: Arc::new(options), connection: Arc::default() })
}

impl Redis {
    pub fn connect(&self, done: Done) {
        let (options, slot) = (self.options.clone(), self.connection.clone());
        spawn(done, async move {
            let certificates = match certificates(&options) {
                Ok(certificates) => certificates,
                Err(bad) => return Reply::error(Status::Invalid, bad.message, bad.cause),
            };
            match open(&options, certificates).await {
                Ok(connection) => {
                    *slot.lock().unwrap() = Some(connection);
                    Reply::ok()
                }
                Err(error) => Failure { options: &options, error }.into_reply(),
            }
        });
    }

    pub fn connected(&self) -> bool {
        self.connection.lock().unwrap().is_some()
    }

    pub fn call(&self, bytes: &[u8], lengths: &[u32], commands: &[u32], done: Done) {
        let pipeline = pack(bytes, lengths, commands);
        let (options, slot) = (self.options.clone(), self.connection.clone());
        let connection = slot.lock().unwrap().clone();
        spawn(done, async move {
            let Some(mut connection) = connection else {
                return lost(&options, "not connected");
            };
            match answers(&mut connection, &pipeline).await {
                Ok(values) => values,
                Err(error) => {
                    // A timeout is no loss: later calls stay behind this one, in order.
                    if error.is_unrecoverable_error() {
                        *slot.lock().unwrap() = None;
                    }
                    Failure { options: &options, error }.into_reply()
                }
            }
        });
    }
}

/// None: without TLS. Read again for every connection, for a renewed certificate counts at once.
fn certificates(options: &RedisOptions) -> Result<Option<TlsCertificates>, BadFile> {
    let tls = &options.tls;
    if !tls.enabled {
        return Ok(None);
    }
    // The crate reads them on its own, and says less of what is wrong.
    tls::client_config("redis", tls, &[])?;
    let read = |file: &str| std::fs::read(file).unwrap_or_default();
    Ok(Some(TlsCertificates {
        client_tls: (!tls.cert_file.is_empty()).then(|| ClientTlsConfig {
            client_cert: read(&tls.cert_file),
            client_key: read(&tls.key_file),
        }),
        root_cert: (!tls.ca_file.is_empty()).then(|| read(&tls.ca_file)),
    }))
}

/// Connects, logs in and selects the database.
async fn open(
    options: &RedisOptions,
    certificates: Option<TlsCertificates>,
) -> RedisResult<MultiplexedConnection> {
    let timeout = Duration::from_millis(options.response_timeout_ms.into());
    let (host, port) = host_and_port(&options.addr)?;
    let addr = match certificates {
        None => ConnectionAddr::Tcp(host, port),
        Some(_) => ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None },
    };
    let info = addr
        .into_connection_info()?
        .set_tcp_settings(
            // Without it a peer that vanished would keep the connection, and its calls, for minutes.
            TcpSettings::default().set_nodelay(true).set_user_timeout(timeout * 2),
        )
        .set_redis_settings(
            RedisConnectionInfo::default()
                .set_protocol(ProtocolVersion::RESP2)
                .set_skip_set_lib_name(),
        );
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(Duration::from_millis(options.connect_timeout_ms.into())))
        .set_response_timeout(Some(timeout));
    let client = match certificates {
        None => Client::open(info)?,
        Some(certificates) => Client::build_with_tls(info, certificates)?,
    };
    let mut connection =
        client.get_multiplexed_async_connection_with_config(&config).await?;
    // Not left to the crate: its errors here do not carry the server's words.
    let mut greeting = Pipeline::new();
    if !options.pass.is_empty() {
        greeting.cmd("AUTH");
        if !options.user.is_empty() {
            greeting.arg(&options.user);
        }
        greeting.arg(&options.pass);
    }
    greeting.cmd("SELECT").arg(options.db);
    match answers(&mut connection, &greeting).await {
        Ok(_) => Ok(connection),
        // The crate says so as well where the answer makes no sense.
        Err(error) if error.is_connection_dropped() => {
            Err((ErrorKind::Parse, "hung up on", error.to_string()).into())
        }
        Err(error) => Err(error),
    }
}

fn host_and_port(addr: &str) -> RedisResult<(String, u16)> {
    let wrong = || RedisError::from((ErrorKind::InvalidClientConfig, "not \"host:port\""));
    let (host, port) = addr.rsplit_once(':').ok_or_else(wrong)?;
    let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
    Ok((host.to_string(), port.parse().map_err(|_| wrong())?))
}

/// The commands in the crate's form; an allocation or two a command, none an argument.
fn pack(bytes: &[u8], lengths: &[u32], commands: &[u32]) -> Pipeline {
    let mut pipeline = Pipeline::with_capacity(commands.len());
    let (mut bytes, mut lengths) = (bytes, lengths);
    for &arguments in commands {
        let (these, later) = lengths.split_at(arguments as usize);
        let size = these.iter().map(|&length| length as usize).sum();
        let mut command = Cmd::with_capacity(these.len(), size);
        for &length in these {
            let (argument, rest) = bytes.split_at(length as usize);
            command.arg(argument);
            bytes = rest;
        }
        lengths = later;
        pipeline.add_command(command);
    }
    pipeline
}

async fn answers(
    connection: &mut MultiplexedConnection,
    pipeline: &Pipeline,
) -> RedisResult<Reply> {
    let values = connection.send_packed_commands(pipeline, 0, pipeline.len()).await?;
    let mut reply = Reply::ok();
    for value in values {
        flatten(value, &mut reply)?;
    }
    reply.number = reply.lengths.len() as i64;
    Ok(reply)
}

fn flatten(value: Value, reply: &mut Reply) -> RedisResult<()> {
    match value {
        Value::Nil => reply.push_null(),
        Value::Int(number) => reply.push(number.to_string().as_bytes()),
        Value::BulkString(bytes) => reply.push(&bytes),
        Value::SimpleString(text) => reply.push(text.as_bytes()),
        Value::Okay => reply.push(b"OK"),
        Value::Array(values) => {
            reply.lengths.reserve(values.len());
            for value in values {
                flatten(value, reply)?;
            }
        }
        Value::ServerError(error) => return Err(error.into()),
        // The other kinds belong to RESP3.
        _ => return Err((ErrorKind::UnexpectedReturnType, "an answer of an unknown kind").into()),
    }
    Ok(())
}

fn lost(options: &RedisOptions, cause: &str) -> Reply {
    let message = format!("the connection to Redis at {} was lost", options.addr);
    Reply::error(Status::Unavailable, message, cause)
}

struct Failure<'a> {
    options: &'a RedisOptions,
    error: RedisError,
}

impl IntoReply for Failure<'_> {
    fn into_reply(self) -> Reply {
        let Failure { options, error } = self;
        if let Some(code) = error.code() {
            return refusal(options, code, error.detail().unwrap_or_default());
        }
        let addr = &options.addr;
        let words = error.to_string();
        let hint = "name the server in redis.addr as its certificate does";
        if let Some(meaning) = tls::meaning("redis", &options.tls, hint, &words)
            .filter(|_| options.tls.enabled)
        {
            let message = format!("no TLS with Redis at {addr}: {meaning}");
            return Reply::error(Status::Unauthorized, message, words);
        }
        if error.is_timeout() {
            let message = format!(
                "Redis at {addr} did not answer within {} ms (connecting: {} ms): see whether it \
                 is overloaded or stopped",
                options.response_timeout_ms, options.connect_timeout_ms
            );
            return Reply::error(Status::Unavailable, message, error);
        }
        match error.kind() {
            ErrorKind::InvalidClientConfig => {
                Reply::error(Status::Invalid, format!("redis.addr is \"{addr}\""), error)
            }
            ErrorKind::Io if error.is_connection_dropped() && !error.is_connection_refusal() => {
                lost(options, &error.to_string())
            }
            ErrorKind::Io => {
                let message =
                    format!("cannot connect to Redis at {addr}: start it or correct redis.addr");
                Reply::error(Status::Unavailable, message, error)
            }
            _ => {
                let hint = match (options.tls.enabled, options.tls.cert_file.is_empty()) {
                    (false, _) => "correct redis.addr; if it wants TLS, set redis.tls = true",
                    (true, true) => {
                        "correct redis.addr; if it asks for a client certificate, set redis.cert_file \
                         and redis.key_file"
                    }
                    (true, false) => "correct redis.addr, or redis.cert_file",
                };
                let message =
                    format!("what answers at {addr} hangs up or does not talk as Redis does: {hint}");
                Reply::error(Status::Unavailable, message, error)
            }
        }
    }
}

/// What the server's own error means; `cause` has its words.
fn refusal(options: &RedisOptions, code: &str, detail: &str) -> Reply {
    let addr = &options.addr;
    let (status, message) = match meant(code, detail) {
        "WRONGPASS" | "NOAUTH" => (
            Status::Unauthorized,
            format!("Redis at {addr} refused the credentials: correct redis.user and redis.pass"),
        ),
        "ERR" if detail.contains("AUTH") => (
            Status::Unauthorized,
            format!("Redis at {addr} has no such password: correct redis.user and redis.pass"),
        ),
        "NOPERM" => (
            Status::Unauthorized,
            format!("redis.user may not do at {addr} what a cache needs: widen its ACL"),
        ),
        "ERR" if detail.contains("DB index") => (
            Status::Invalid,
            format!("Redis at {addr} has no database {}: correct redis.db", options.db),
        ),
        "OOM" => (
            Status::Unavailable,
            format!("Redis at {addr} is full: raise its maxmemory or let it evict keys"),
        ),
        "LOADING" => (
            Status::Unavailable,
            format!("Redis at {addr} is still loading its data: wait until it is done"),
        ),
        "BUSY" => (
            Status::Unavailable,
            format!("Redis at {addr} is busy with somebody's script: wait or kill the script"),
        ),
        "READONLY" => (
            Status::Unavailable,
            format!("Redis at {addr} is a read-only replica: name its primary in redis.addr"),
        ),
        "MOVED" | "ASK" | "CROSSSLOT" | "CLUSTERDOWN" => (
            Status::Unavailable,
            format!("Redis at {addr} is part of a cluster: name a single server in redis.addr"),
        ),
        _ => (
            Status::Unavailable,
            format!(
                "Redis at {addr} refused a command: see whether it is Redis 6 or newer and well"
            ),
        ),
    };
    Reply::error(status, message, format!("{code} {detail}"))
}

/// An error inside a script is an ERR that quotes the real one (Redis 6), or tells of it in words.
fn meant<'a>(code: &'a str, detail: &str) -> &'a str {
    if code != "ERR" {
        return code;
    }
    if detail.contains("ACL failure in script") || detail.contains("executing the script can't") {
        return "NOPERM";
    }
    ["OOM", "READONLY"].into_iter().find(|c| detail.contains(&format!(" -{c} "))).unwrap_or(code)
}
