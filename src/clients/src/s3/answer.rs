//! What S3 answers: pages, ranges, and the one place where its errors become ours.

use futures::StreamExt;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, LOCATION};
use http::{HeaderMap, StatusCode};
use object_store::client::{HttpError, HttpResponse};
use serde::Deserialize;

use crate::bridge::{IntoReply, Reply, Status, TlsOptions};
use crate::tls::{self, chain, BadFile};

/// Of an answer's body that is an error; S3's are under 1 KiB.
const MAX_ERROR_BODY: usize = 16 * 1024;

/// Of a page of a listing: a thousand of the longest keys, encoded, take a quarter of it.
pub const MAX_PAGE: usize = 16 * 1024 * 1024;

/// Why a request brought nothing.
#[derive(Clone, Debug)]
pub struct Failure {
    status: Status,
    message: String,
    cause: String,
    /// Whether the same request may succeed later.
    pub retry: bool,
}

impl IntoReply for Failure {
    fn into_reply(self) -> Reply {
        Reply::error(self.status, self.message, self.cause)
    }
}

impl Failure {
    fn new(status: Status, message: String, cause: impl std::fmt::Display) -> Failure {
        Failure { status, message, cause: cause.to_string(), retry: status == Status::Unavailable }
    }

    pub fn invalid(message: String, cause: impl std::fmt::Display) -> Failure {
        Failure::new(Status::Invalid, message, cause)
    }

    pub fn unauthorized(message: String, cause: impl std::fmt::Display) -> Failure {
        Failure::new(Status::Unauthorized, message, cause)
    }

    /// No answer, or not the whole of one.
    pub fn broken(about: &str, url: &str, tls: &TlsOptions, error: HttpError) -> Failure {
        let words = chain(&error);
        let hint = "name the endpoint (s3.endpoint) as its certificate does";
        let meaning = tls::meaning("s3", tls, hint, &words).filter(|_| url.starts_with("https:"));
        match meaning {
            Some(meaning) => Failure::unauthorized(format!("{about}: no TLS with {url}: {meaning}"), words),
            None => Failure::new(
                Status::Unavailable,
                format!("{about}: no whole answer from {url}"),
                words,
            ),
        }
    }

    pub fn bad_file(bad: BadFile) -> Failure {
        Failure::invalid(bad.message, bad.cause)
    }

    pub fn short(about: &str, got: usize, expected: u64) -> Failure {
        let cause = format!("{got} bytes instead of {expected}");
        Failure::new(Status::Unavailable, format!("{about}: the answer from S3 ended too early"), cause)
    }

    /// An answer that is none: not S3, or something between.
    pub fn unexpected(about: &str, cause: impl std::fmt::Display) -> Failure {
        let message = format!("{about}: the endpoint does not answer as S3 does");
        Failure::new(Status::Unavailable, message, cause)
    }

    pub fn changed(about: &str, cause: impl std::fmt::Display) -> Failure {
        Failure::new(Status::Conflict, format!("{about} has changed since it was listed"), cause)
    }

    /// An answer with another status than 2xx.
    pub async fn refused(response: HttpResponse, about: &str, bucket: &str, region: &str) -> Failure {
        let (parts, body) = response.into_parts();
        let header = |name: &str| {
            parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
        };
        let mut text = Vec::new();
        let mut chunks = body.bytes_stream();
        while let Some(Ok(chunk)) = chunks.next().await {
            text.extend_from_slice(&chunk);
            if text.len() > MAX_ERROR_BODY {
                break;
            }
        }
        let mut error = ErrorBody::of(&text);
        if let Some(right_region) = header("x-amz-bucket-region") {
            error.region = right_region;
        }
        error.location = header(LOCATION.as_str());
        error.into_failure(parts.status, about, bucket, region)
    }

    /// Of a request that was signed with credentials that should have been renewed: what S3 does not allow, it may
    /// with new ones. `wordless`: the answer to a HEAD, which is 400 where they have expired, and does not say so.
    pub fn by_old_credentials(self, about: &str, wordless: bool, why: &str) -> Failure {
        if self.status != Status::Unauthorized && !(wordless && self.status == Status::Invalid) {
            return self;
        }
        let message = format!(
            "{about}: the S3 credentials may have expired, and who gives them (web identity, container or instance \
             role) gives no new ones"
        );
        Failure::new(Status::Unavailable, message, format!("{}; {why}", self.cause))
    }

    /// Says how often it was tried.
    pub fn after(mut self, attempts: u32) -> Failure {
        if attempts > 1 {
            self.message += &format!(" (tried {attempts} times)");
        }
        self
    }
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct ErrorBody {
    code: String,
    message: String,
    region: String,
    /// The header: where the answer sends us.
    #[serde(skip)]
    location: Option<String>,
}

impl ErrorBody {
    /// HEAD has none, and what is between may send anything.
    fn of(body: &[u8]) -> ErrorBody {
        quick_xml::de::from_reader(body).unwrap_or_default()
    }

    /// The one table from S3's errors to ours.
    fn into_failure(self, status: StatusCode, about: &str, bucket: &str, region: &str) -> Failure {
        let cause = match self.code.as_str() {
            "" => format!("HTTP {status}"),
            code => format!("{code}: {} (HTTP {})", self.message, status.as_u16()),
        };
        let unauthorized = |what: &str| Failure::unauthorized(format!("{about}: {what}"), cause.clone());
        match self.code.as_str() {
            "NoSuchBucket" => {
                return Failure::new(Status::NotFound, format!("there is no S3 bucket \"{bucket}\""), cause);
            }
            "RequestTimeTooSkewed" => return unauthorized("this machine's clock is wrong: set it"),
            "InvalidAccessKeyId" => return unauthorized("S3 does not know this AWS_ACCESS_KEY_ID"),
            "SignatureDoesNotMatch" => {
                return unauthorized("AWS_SECRET_ACCESS_KEY is not the one of AWS_ACCESS_KEY_ID");
            }
            "ExpiredToken" | "InvalidToken" | "TokenRefreshRequired" => {
                return unauthorized(
                    "the session token (AWS_SESSION_TOKEN) is not valid any more: get new credentials",
                );
            }
            "InvalidObjectState" => {
                return Failure::invalid(format!("{about} is archived: restore it before it is read"), cause);
            }
            "PermanentRedirect"
            | "TemporaryRedirect"
            | "AuthorizationHeaderMalformed"
            | "IllegalLocationConstraintException" => {
                return wrong_region(self.region, bucket, region, cause)
            }
            "RequestTimeout" | "SlowDown" => return Failure::new(Status::Unavailable, busy(about), cause),
            _ => {}
        }
        match status.as_u16() {
            301 | 302 | 307 | 308 => match self.location {
                // Not in S3's words.
                Some(location) if self.code.is_empty() && self.region.is_empty() => {
                    sent_elsewhere(&location, about, cause)
                }
                _ => wrong_region(self.region, bucket, region, cause),
            },
            401 | 403 => {
                unauthorized("S3 does not allow it with these credentials (s3:ListBucket, s3:GetObject)")
            }
            404 => Failure::new(Status::NotFound, format!("{about} does not exist"), cause),
            // 416: it has become shorter.
            412 | 416 => Failure::changed(about, cause),
            408 | 409 | 425 | 429 => Failure::new(Status::Unavailable, busy(about), cause),
            501 | 505 => Failure::invalid(format!("{about}: the endpoint cannot do this"), cause),
            500..=599 => Failure::new(Status::Unavailable, busy(about), cause),
            _ => Failure::invalid(
                format!("{about}: S3 refused the request (check region and credentials)"),
                cause,
            ),
        }
    }
}

fn busy(about: &str) -> String {
    format!("{about}: S3 is too busy or broken to answer")
}

fn wrong_region(right: String, bucket: &str, asked: &str, cause: String) -> Failure {
    let message = match right.as_str() {
        "" => format!("the S3 bucket \"{bucket}\" is not in region {asked}: set AWS_S3_REGION to its region"),
        right => format!("the S3 bucket \"{bucket}\" is not in region {asked}: set AWS_S3_REGION to {right}"),
    };
    Failure::invalid(message, cause)
}

fn sent_elsewhere(location: &str, about: &str, cause: String) -> Failure {
    // No more of it: a query may hold what is secret.
    let place = match url::Url::parse(location) {
        Ok(url) => url.origin().ascii_serialization(),
        Err(_) => "another path".to_owned(),
    };
    let message = format!("{about}: the endpoint sends to {place}: if that is right, name it (s3.endpoint)");
    Failure::invalid(message, cause)
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html>
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Page {
    is_truncated: bool,
    encoding_type: Option<String>,
    #[serde(default)]
    next_continuation_token: String,
    #[serde(default)]
    contents: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    key: String,
    /// Some stores give none for a folder marker.
    size: Option<u64>,
    #[serde(default, rename = "ETag")]
    etag: String,
}

/// Key, ETag and size (empty where the store gives none) of each object; `number`: 1 where there are more; `word`:
/// where those begin, if no key says it.
pub fn page_of(body: &[u8], about: &str) -> Result<Reply, Failure> {
    let page: Page =
        quick_xml::de::from_reader(body).map_err(|error| Failure::unexpected(about, chain(&error)))?;
    // XML cannot carry every key as it is; a store that does not know the parameter ignores it.
    let encoded = page.encoding_type.as_deref() == Some("url");
    let mut reply = Reply::ok();
    reply.number = page.is_truncated.into();
    if page.is_truncated && page.contents.is_empty() {
        reply.word = page.next_continuation_token;
    }
    for entry in page.contents {
        match encoded {
            true => reply.push(&decoded(&entry.key)),
            false => reply.push(entry.key.as_bytes()),
        }
        reply.push(quoted(&entry.etag).as_bytes());
        reply.push(entry.size.map_or(String::new(), |size| size.to_string()).as_bytes());
    }
    Ok(reply)
}

/// A key as `encoding-type=url` sends it: a space is "+" or "%20", a plus sign always "%2B".
fn decoded(key: &str) -> Vec<u8> {
    percent_encoding::percent_decode_str(&key.replace('+', " ")).collect()
}

/// An ETag as If-Match takes it. Listings of some stores leave the quotes out. A weak one proves nothing about bytes.
pub fn quoted(etag: &str) -> String {
    let bare = etag.trim().trim_matches('"');
    match bare.is_empty() || etag.trim_start().starts_with("W/") {
        true => String::new(),
        false => format!("\"{bare}\""),
    }
}

/// What an object's bytes are compressed with by its Content-Encoding: "gzip", "zstd" or, where that says nothing of
/// it, "". (S3 keeps whatever it was given: "aws-chunked", "utf-8".)
pub fn coding_of(headers: &HeaderMap, about: &str) -> Result<&'static str, Failure> {
    let values: Vec<_> =
        headers.get_all(CONTENT_ENCODING).iter().filter_map(|value| value.to_str().ok()).collect();
    let said = values.join(", ");
    let (mut coding, mut unknown) = ("", false);
    for word in said.split(',') {
        let next = match word.trim().to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => "gzip",
            "zstd" => "zstd",
            "br" | "compress" | "x-compress" | "deflate" | "dcb" | "dcz" => "unknown",
            _ => continue,
        };
        unknown |= next == "unknown" || !coding.is_empty();
        coding = next;
    }
    if !unknown {
        return Ok(coding);
    }
    let message = format!(
        "{about} has Content-Encoding {said}, which cannot be read: store it with gzip or zstd, or without any"
    );
    Err(Failure::invalid(message, ""))
}

/// First byte, end (not included) and the whole object's size.
pub fn content_range(response: &HttpResponse, about: &str) -> Result<(u64, u64, u64), Failure> {
    let text = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    if response.status() != StatusCode::PARTIAL_CONTENT {
        // The whole object, which some stores send when it was asked for in one range.
        let size = text(CONTENT_LENGTH).and_then(|size| size.parse::<u64>().ok());
        return match size {
            Some(size) => Ok((0, size, size)),
            None => Err(Failure::unexpected(about, "no Content-Length")),
        };
    }
    let parsed = text(CONTENT_RANGE).and_then(|value| {
        let (range, size) = value.trim().strip_prefix("bytes ")?.split_once('/')?;
        let (start, last) = range.split_once('-')?;
        Some((start.parse().ok()?, last.parse::<u64>().ok()?.checked_add(1)?, size.parse().ok()?))
    });
    parsed.ok_or_else(|| Failure::unexpected(about, "no usable Content-Range"))
}
