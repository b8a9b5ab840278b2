//! One bucket: where it is, who asks, and one signed request.

use std::time::Duration;

use http::{HeaderMap, Method};
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, AwsAuthorizer};
use object_store::client::{HttpClient, HttpError, HttpRequestBody, HttpResponse};
use object_store::{Certificate, ClientConfigKey, ClientOptions};
use percent_encoding::{utf8_percent_encode, AsciiSet, NON_ALPHANUMERIC};

use super::answer::Failure;
use super::credentials::Credentials;
use super::http_client::{http_client, WHOLE_REQUEST_FACTOR};
use crate::bridge::{S3Options, TlsOptions};

/// What Signature Version 4 leaves as it is.
const UNRESERVED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const UNRESERVED_PATH: AsciiSet = UNRESERVED.remove(b'/');


pub struct Connection {
    bucket: String,
    /// Scheme, host and, unless the host names it, the bucket; no slash at the end.
    url: String,
    region: String,
    /// None: requests are not signed (AWS_SKIP_SIGNATURE).
    credentials: Option<Credentials>,
    requester_pays: bool,
    tls: TlsOptions,
    http: HttpClient,
}

impl Connection {
    pub fn new(options: S3Options) -> Result<Connection, Failure> {
        let (mut builder, mut client) = from_environment();
        if !options.region.is_empty() {
            builder = builder.with_region(&options.region);
        }
        if !options.endpoint.is_empty() {
            builder = builder.with_config(AmazonS3ConfigKey::S3Endpoint, &options.endpoint);
        }
        let setting = |key| builder.get_config_value(&key);
        let region = setting(AmazonS3ConfigKey::Region).unwrap_or_else(|| "us-east-1".into());
        let endpoint =
            setting(AmazonS3ConfigKey::S3Endpoint).or_else(|| setting(AmazonS3ConfigKey::Endpoint));
        let is_set = |key| {
            let value = setting(key).unwrap_or_default().to_ascii_lowercase();
            matches!(value.as_str(), "1" | "true" | "on" | "yes" | "y" | "requester")
        };
        let skip_signature = is_set(AmazonS3ConfigKey::SkipSignature);
        let requester_pays = is_set(AmazonS3ConfigKey::RequestPayer);
        let url = bucket_url(
            &endpoint,
            &options.bucket,
            &region,
            is_set(AmazonS3ConfigKey::VirtualHostedStyleRequest),
        )?;

        refuse_blind_trust(&client)?;
        let http = http_client(&client, &url, &options)?;
        let pause = Duration::from_millis(options.request_timeout_ms.into());
        client = client
            .with_connect_timeout(Duration::from_millis(options.connect_timeout_ms.into()))
            .with_read_timeout(pause)
            .with_timeout(pause * WHOLE_REQUEST_FACTOR);
        if url.starts_with("http://") {
            client = client.with_allow_http(true);
        }
        // Who gives credentials may be certified by the system's authorities as well.
        for root in root_certificates(&options.tls)? {
            client = client.with_root_certificate(root);
        }
        let credentials = match skip_signature {
            true => None,
            false => Some(Credentials::new(builder.with_region(&region), client)?),
        };
        let (bucket, tls) = (options.bucket, options.tls);
        Ok(Connection { bucket, url, region, credentials, requester_pays, tls, http })
    }

    /// For messages.
    pub fn bucket_name(&self) -> String {
        format!("s3://{}", self.bucket)
    }

    /// For messages.
    pub fn object_name(&self, key: &str) -> String {
        format!("s3://{}/{}", self.bucket, key)
    }

    pub fn list_url(&self, query: &[(&str, &str)]) -> String {
        let query: Vec<String> = query
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, &UNRESERVED)))
            .collect();
        format!("{}?{}", self.url, query.join("&"))
    }

    pub fn object_url(&self, key: &str) -> Result<String, Failure> {
        // URLs have no way to say such a segment: every HTTP client resolves it, encoded or not.
        if key.split('/').any(|segment| segment == "." || segment == "..") {
            let message = format!(
                "{}: a key with a part \".\" or \"..\" cannot be read over HTTP: rename the object",
                self.object_name(key)
            );
            return Err(Failure::invalid(message, ""));
        }
        Ok(format!("{}/{}", self.url, utf8_percent_encode(key, &UNRESERVED_PATH)))
    }

    /// One signed request; an answer other than 2xx is a failure.
    pub async fn send(
        &self,
        method: Method,
        url: String,
        headers: HeaderMap,
    ) -> Result<HttpResponse, Failure> {
        let about = self.name_of(&url);
        let wordless = method == Method::HEAD;
        let mut request = http::Request::new(HttpRequestBody::empty());
        *request.method_mut() = method;
        *request.headers_mut() = headers;
        *request.uri_mut() = url
            .parse()
            .map_err(|error| Failure::invalid(format!("{about}: the name does not fit into a URL"), error))?;
        let mut not_renewed = None;
        if let Some(credentials) = &self.credentials {
            let current = credentials.current().await?;
            not_renewed = current.not_renewed;
            AwsAuthorizer::new(&current.credential, "s3", &self.region)
                .with_request_payer(self.requester_pays)
                .try_authorize(&mut request, None)
                .map_err(|error| Failure::unexpected(&about, error))?;
        }
        let response = self.http.execute(request).await.map_err(|error| self.broken(&about, error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let failure = Failure::refused(response, &about, &self.bucket, &self.region).await;
        Err(match not_renewed {
            None => failure,
            Some(why) => failure.by_old_credentials(&about, wordless, &why),
        })
    }

    pub fn broken(&self, about: &str, error: HttpError) -> Failure {
        Failure::broken(about, &self.url, &self.tls, error)
    }

    /// What a URL of this bucket is about, as messages name it.
    fn name_of(&self, url: &str) -> String {
        let path = url.strip_prefix(&self.url).unwrap_or("");
        match path.strip_prefix('/') {
            Some(key) => self.object_name(&percent_encoding::percent_decode_str(key).decode_utf8_lossy()),
            None => self.bucket_name(),
        }
    }
}

pub fn wrong_settings(error: impl std::fmt::Display) -> Failure {
    Failure::invalid("the S3 settings in the environment (AWS_...) are wrong".into(), error)
}

/// What object_store would offer; whom we talk to is verified, always.
fn refuse_blind_trust(client: &ClientOptions) -> Result<(), Failure> {
    let key = ClientConfigKey::AllowInvalidCertificates;
    match client.get_config_value(&key).as_deref() {
        None | Some("false") => Ok(()),
        Some(_) => Err(Failure::invalid(
            "AWS_ALLOW_INVALID_CERTIFICATES is not supported: set s3.ca_file to the certificate of \
             the endpoint's authority"
                .into(),
            "",
        )),
    }
}

fn root_certificates(tls: &TlsOptions) -> Result<Vec<Certificate>, Failure> {
    if tls.ca_file.is_empty() {
        return Ok(Vec::new());
    }
    let unusable = |cause: String| {
        Failure::invalid(format!("s3.ca_file \"{}\" has no usable certificate", tls.ca_file), cause)
    };
    let pem = std::fs::read(&tls.ca_file).map_err(|error| unusable(error.to_string()))?;
    Certificate::from_pem_bundle(&pem).map_err(|error| unusable(error.to_string()))
}

/// The settings that object_store knows (AWS_...), without the empty ones; of the region's names the original's first.
fn from_environment() -> (AmazonS3Builder, ClientOptions) {
    let mut builder = AmazonS3Builder::new();
    let mut client = ClientOptions::new();
    for (name, value) in std::env::vars_os() {
        let (Some(name), Some(value)) = (name.to_str(), value.to_str().map(str::trim)) else {
            continue;
        };
        if !name.starts_with("AWS_") || value.is_empty() {
            continue;
        }
        match name.to_ascii_lowercase().parse() {
            Ok(AmazonS3ConfigKey::Client(key)) => client = client.with_config(key, value),
            Ok(key) => builder = builder.with_config(key, value),
            Err(_) => {}
        }
    }
    if let Some(region) = std::env::var("AWS_S3_REGION").ok().filter(|region| !region.trim().is_empty()) {
        builder = builder.with_region(region.trim());
    }
    (builder, client)
}

fn bucket_url(
    endpoint: &Option<String>,
    bucket: &str,
    region: &str,
    in_host: bool,
) -> Result<String, Failure> {
    let text = match (endpoint, in_host) {
        // As object_store: with this setting the endpoint names the bucket.
        (Some(endpoint), true) => endpoint.clone(),
        (Some(endpoint), false) => format!("{}/{bucket}", endpoint.trim_end_matches('/')),
        (None, true) => format!("https://{bucket}.s3.{region}.amazonaws.com"),
        (None, false) => format!("https://s3.{region}.amazonaws.com/{bucket}"),
    };
    let wrong = |why: &str| {
        let shown = endpoint.as_deref().unwrap_or(region);
        // What stands before an @ may be a password.
        let shown = shown.rsplit('@').next().unwrap_or(shown);
        let message = format!("the S3 endpoint \"{shown}\" is not a URL like https://host:port");
        Err(Failure::invalid(message, why))
    };
    let url = match url::Url::parse(&text) {
        Ok(url) => url,
        Err(error) => return wrong(&error.to_string()),
    };
    if !matches!(url.scheme(), "http" | "https") {
        return wrong("the scheme is neither http nor https");
    }
    if !url.username().is_empty()
        || url.password().is_some()
        || url.query().is_some()
        || url.fragment().is_some()
    {
        return wrong("it has a user, a query or a fragment");
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}
