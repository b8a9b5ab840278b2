//! The HTTP client of a bucket's requests.
//!
//! reqwest's own, and not the one that object_store makes of it, which has no way to say these: our TLS; and that no
//! redirect is followed, for whom an answer names would get the request with its session token. What else
//! object_store would do is done here, too.

use std::time::Duration;

use object_store::client::HttpClient;
use object_store::{ClientConfigKey, ClientOptions};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::tls::Certificate;

use super::answer::Failure;
use super::connection::wrong_settings;
use super::random;
use crate::bridge::S3Options;
use crate::tls;

/// The whole of an answer may take this many times as long as its longest pause (request_timeout_ms).
pub const WHOLE_REQUEST_FACTOR: u32 = 10;

/// `settings`: what the environment says of proxies.
pub fn http_client(settings: &ClientOptions, url: &str, options: &S3Options) -> Result<HttpClient, Failure> {
    let pause = Duration::from_millis(options.request_timeout_ms.into());
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("dataflow/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        // As object_store: over HTTP/2 all ranges would share one connection, and its window.
        .http1_only()
        .connect_timeout(Duration::from_millis(options.connect_timeout_ms.into()))
        .read_timeout(pause)
        .timeout(pause * WHOLE_REQUEST_FACTOR)
        .dns_resolver(Shuffled);
    let proxy = settings.get_config_value(&ClientConfigKey::ProxyUrl);
    let own_tls = !options.tls.ca_file.is_empty()
        || !options.tls.cert_file.is_empty()
        || !options.tls.key_file.is_empty();
    if url.starts_with("https:") {
        builder = builder.https_only(true);
        if own_tls {
            let config = tls::client_config("s3", &options.tls, &[]).map_err(Failure::bad_file)?;
            builder = builder.tls_backend_preconfigured(config);
        }
    } else if proxy.is_none() {
        // To read the system's authorities, some 140 files, takes longer than a listing.
        builder = builder.tls_certs_only([]);
    }
    if let Some(proxy) = proxy {
        let mut proxy = reqwest::Proxy::all(proxy).map_err(wrong_settings)?;
        if let Some(excludes) = settings.get_config_value(&ClientConfigKey::ProxyExcludes) {
            proxy = proxy.no_proxy(reqwest::NoProxy::from_string(&excludes));
        }
        if let Some(pem) = settings.get_config_value(&ClientConfigKey::ProxyCaCertificate) {
            let certificate = Certificate::from_pem(pem.as_bytes()).map_err(wrong_settings)?;
            builder = builder.tls_certs_merge([certificate]);
        }
        builder = builder.proxy(proxy);
    }
    Ok(HttpClient::new(builder.build().map_err(wrong_settings)?))
}

/// The addresses of a host in random order: S3 has several, and connections spread over them.
struct Shuffled;

impl Resolve for Shuffled {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let mut addresses: Vec<_> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            addresses.sort_by_cached_key(|_| random());
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}
