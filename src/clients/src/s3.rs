//! S3 from object_store's parts: its credential chain, its signatures and its HTTP client.
//!
//! The three requests are made here and not by its `ObjectStore`, because that one names objects by a `Path`, which
//! renames or refuses keys that S3 allows ("a//b", "/a", "a/", control characters): one such key makes a page of a
//! listing fail, or appear under another object's name.
//!
//! A request that may succeed later is repeated here, as often and as long as the options say.

mod answer;
mod connection;
mod credentials;
mod http_client;

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use http::header::{CONTENT_LENGTH, ETAG, IF_MATCH, RANGE};
use http::{HeaderMap, HeaderValue, Method};

use self::answer::{coding_of, content_range, page_of, quoted, Failure, MAX_PAGE};
use self::connection::Connection;
use crate::bridge::{spawn, Done, IntoReply, Reply, S3Options};

/// The wait before the first retry; doubled for each further one, up to the second.
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const MAX_BACKOFF: Duration = Duration::from_secs(5);

pub struct S3 {
    connection: Arc<Result<Connection, Failure>>,
    retries: u32,
    retry_timeout: Duration,
}

pub fn s3_new(options: S3Options) -> Box<S3> {
    let retries = options.retries;
    let retry_timeout = Duration::from_millis(options.retry_timeout_ms.into());
    Box::new(S3 { connection: Arc::new(Connection::new(options)), retries, retry_timeout })
}

impl S3 {
    pub fn list(&self, prefix: &str, after: &str, token: &str, done: Done) {
        let (prefix, after, token) = (prefix.to_owned(), after.to_owned(), token.to_owned());
        self.run(done, move |connection| list(connection, prefix.clone(), after.clone(), token.clone()));
    }

    pub fn head(&self, key: &str, done: Done) {
        let key = key.to_owned();
        self.run(done, move |connection| head(connection, key.clone()));
    }

    pub fn get(&self, key: &str, offset: u64, length: u64, if_match: &str, done: Done) {
        let (key, etag) = (key.to_owned(), if_match.to_owned());
        self.run(done, move |connection| get(connection, key.clone(), offset, length, etag.clone()));
    }

    /// Runs one request on the runtime, again and again while that may help.
    fn run<Attempt, Answer>(&self, done: Done, attempt: Attempt)
    where
        Attempt: Fn(Arc<Result<Connection, Failure>>) -> Answer + Send + 'static,
        Answer: Future<Output = Result<Reply, Failure>> + Send + 'static,
    {
        let connection = self.connection.clone();
        let (retries, timeout) = (self.retries, self.retry_timeout);
        spawn(done, async move {
            let start = Instant::now();
            let mut backoff = FIRST_BACKOFF;
            let mut attempts = 1;
            loop {
                let failure = match attempt(connection.clone()).await {
                    Ok(reply) => return reply,
                    Err(failure) => failure,
                };
                if !failure.retry || attempts > retries || start.elapsed() + backoff > timeout {
                    return failure.after(attempts).into_reply();
                }
                tokio::time::sleep(jittered(backoff)).await;
                backoff = (backoff * 2).min(MAX_BACKOFF);
                attempts += 1;
            }
        });
    }
}

/// A half to the whole of it, so that many clients that were turned away together do not return together.
fn jittered(backoff: Duration) -> Duration {
    backoff.mul_f64(0.5 + 0.5 * (random() as f64 / u64::MAX as f64))
}

fn random() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::collections::hash_map::RandomState::new().build_hasher().finish()
}

type Shared = Arc<Result<Connection, Failure>>;

async fn list(shared: Shared, prefix: String, after: String, token: String) -> Result<Reply, Failure> {
    let connection = connected(&shared)?;
    // A token begins where it says.
    let after = if token.is_empty() { after } else { String::new() };
    let query = [
        ("continuation-token", token.as_str()),
        ("encoding-type", "url"),
        ("list-type", "2"),
        ("prefix", prefix.as_str()),
        ("start-after", after.as_str()),
    ];
    let response = connection.send(Method::GET, connection.list_url(&query), HeaderMap::new()).await?;
    let about = connection.bucket_name();
    let mut body = Vec::new();
    let mut chunks = response.into_body().bytes_stream();
    while let Some(chunk) = chunks.next().await {
        body.extend_from_slice(&chunk.map_err(|error| connection.broken(&about, error))?);
        if body.len() > MAX_PAGE {
            let cause = format!("a page of a listing of more than {MAX_PAGE} bytes");
            return Err(Failure::unexpected(&about, cause));
        }
    }
    page_of(&body, &about)
}

async fn head(shared: Shared, key: String) -> Result<Reply, Failure> {
    let connection = connected(&shared)?;
    let response = connection.send(Method::HEAD, connection.object_url(&key)?, HeaderMap::new()).await?;
    let size = text_of(response.headers(), CONTENT_LENGTH).and_then(|size| size.parse::<u64>().ok());
    let Some(size) = size else {
        return Err(Failure::unexpected(&connection.object_name(&key), "no Content-Length"));
    };
    let mut reply = Reply::ok();
    reply.push(key.as_bytes());
    reply.push(quoted(text_of(response.headers(), ETAG).unwrap_or("")).as_bytes());
    reply.push(size.to_string().as_bytes());
    Ok(reply)
}

/// `number`: the size of the whole object; `word`: its coding.
async fn get(
    shared: Shared,
    key: String,
    offset: u64,
    length: u64,
    if_match: String,
) -> Result<Reply, Failure> {
    let connection = connected(&shared)?;
    let about = connection.object_name(&key);
    let mut headers = HeaderMap::new();
    headers.insert(RANGE, header(format!("bytes={}-{}", offset, offset + length - 1), &about)?);
    if !if_match.is_empty() {
        headers.insert(IF_MATCH, header(if_match.clone(), &about)?);
    }
    let response = connection.send(Method::GET, connection.object_url(&key)?, headers).await?;

    // Some stores ignore If-Match.
    let etag = quoted(text_of(response.headers(), ETAG).unwrap_or(""));
    if !if_match.is_empty() && !etag.is_empty() && etag != if_match {
        return Err(Failure::changed(&about, format!("ETag {etag} instead of {if_match}")));
    }
    let (start, end, size) = content_range(&response, &about)?;
    if response.status() != http::StatusCode::PARTIAL_CONTENT && end != offset + length {
        return Err(Failure::unexpected(&about, "the whole object instead of the range asked for"));
    }
    if start != offset {
        return Err(Failure::unexpected(&about, format!("bytes from {start} instead of {offset}")));
    }
    if end != offset + length {
        return Err(Failure::changed(&about, format!("bytes up to {end} instead of {}", offset + length)));
    }

    let mut reply = Reply::ok();
    reply.number = size as i64;
    reply.word = coding_of(response.headers(), &about)?.to_owned();
    reply.bytes.reserve_exact(length as usize);
    let mut chunks = response.into_body().bytes_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| connection.broken(&about, error))?;
        if reply.bytes.len() + chunk.len() > length as usize {
            return Err(Failure::unexpected(&about, "more bytes than announced"));
        }
        reply.bytes.extend_from_slice(&chunk);
    }
    if reply.bytes.len() < length as usize {
        return Err(Failure::short(&about, reply.bytes.len(), length));
    }
    Ok(reply)
}

fn connected(shared: &Shared) -> Result<&Connection, Failure> {
    shared.as_ref().as_ref().map_err(Failure::clone)
}

fn header(value: String, about: &str) -> Result<HeaderValue, Failure> {
    HeaderValue::try_from(value)
        .map_err(|error| Failure::invalid(format!("{about}: the ETag is no header"), error))
}

fn text_of(headers: &HeaderMap, name: http::HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}
