//! Who asks: the keys of the environment, or what a server gives (web identity, container, instance).
//!
//! Such a server may be away for a while. What it gave before is used meanwhile, for as long as S3 takes it; only where
//! it never gave anything is that the end at once.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, AwsCredential, AwsCredentialProvider};
use object_store::{ClientOptions, RetryConfig, StaticCredentialProvider};

use super::answer::Failure;

/// All attempts to ask a server once.
const TIMEOUT: Duration = Duration::from_secs(10);
const RETRIES: usize = 1;
/// After a server has failed it is not asked again for so long.
const PAUSE: Duration = Duration::from_secs(1);

const HOW_TO_GIVE: &str =
    "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN where \
     there is one), or run where a web identity, a container or an instance role gives them";

pub struct Credentials {
    provider: AwsCredentialProvider,
    last: Mutex<Option<Last>>,
    /// Held by the one who asks the provider.
    asking: tokio::sync::Mutex<()>,
}

/// What the provider gave last, and how and when it failed since.
#[derive(Clone)]
struct Last {
    credential: Arc<AwsCredential>,
    failed: Option<(Instant, String)>,
}

/// What a request is signed with.
pub struct Current {
    pub credential: Arc<AwsCredential>,
    /// Why there is nothing newer, where there should be: it may have expired.
    pub not_renewed: Option<String>,
}

impl Credentials {
    /// Keys in the environment, else whatever else the environment names, else the instance's role.
    pub fn new(builder: AmazonS3Builder, client: ClientOptions) -> Result<Credentials, Failure> {
        let provider = provider_from(builder, client)?;
        Ok(Credentials { provider, last: Mutex::new(None), asking: tokio::sync::Mutex::new(()) })
    }

    pub async fn current(&self) -> Result<Current, Failure> {
        // Nobody waits for a provider that fails but the one who asks whether it still does.
        let _asking = match self.failing() {
            None => self.asking.lock().await,
            Some(last) if last.failed_lately() => return Ok(last.into()),
            Some(last) => match self.asking.try_lock() {
                Ok(asking) => asking,
                Err(_) => return Ok(last.into()),
            },
        };
        if let Some(last) = self.failing().filter(Last::failed_lately) {
            return Ok(last.into());
        }
        let asked = tokio::time::timeout(TIMEOUT, self.provider.get_credential()).await;
        let mut last = self.last.lock().expect("nobody panics with it");
        match asked.map_err(|_| "no answer in time".to_owned()).and_then(|given| given.map_err(|e| without_paths(&e.to_string()))) {
            Ok(credential) => {
                check(&credential)?;
                *last = Some(Last { credential: credential.clone(), failed: None });
                Ok(Current { credential, not_renewed: None })
            }
            Err(why) => {
                let Some(last) = last.as_mut() else {
                    return Err(none(why));
                };
                last.failed = Some((Instant::now(), why));
                Ok(last.clone().into())
            }
        }
    }

    /// What was given last, where the provider has failed since.
    fn failing(&self) -> Option<Last> {
        let last = self.last.lock().expect("nobody panics with it");
        last.clone().filter(|last| last.failed.is_some())
    }
}

impl Last {
    fn failed_lately(&self) -> bool {
        self.failed.as_ref().is_some_and(|(when, _)| when.elapsed() < PAUSE)
    }
}

impl From<Last> for Current {
    fn from(last: Last) -> Current {
        Current { credential: last.credential, not_renewed: last.failed.map(|(_, why)| why) }
    }
}

fn provider_from(builder: AmazonS3Builder, client: ClientOptions) -> Result<AwsCredentialProvider, Failure> {
    let setting = |key| builder.get_config_value(&key);
    if let (Some(key_id), Some(secret_key)) =
        (setting(AmazonS3ConfigKey::AccessKeyId), setting(AmazonS3ConfigKey::SecretAccessKey))
    {
        let token = setting(AmazonS3ConfigKey::Token);
        return Ok(Arc::new(StaticCredentialProvider::new(AwsCredential { key_id, secret_key, token })));
    }
    let retry = RetryConfig {
        max_retries: RETRIES,
        retry_timeout: TIMEOUT,
        ..Default::default()
    };
    let store = builder
        .with_bucket_name("any")
        .with_client_options(client)
        .with_retry(retry)
        .build()
        .map_err(|error| none(without_paths(&error.to_string())))?;
    Ok(store.credentials().clone())
}

/// The path of a container's credentials is what gives a right to them: of each URL the origin is left.
fn without_paths(text: &str) -> String {
    let mut left = text;
    let mut said = String::new();
    while let Some(scheme) = left.find("://") {
        let (before, rest) = left.split_at(scheme + 3);
        said += before;
        let end = |c: char| c.is_whitespace() || "\"'()<>,".contains(c);
        let (url, after) = rest.split_at(rest.find(end).unwrap_or(rest.len()));
        said += url.split(['/', '?', '#']).next().unwrap_or_default();
        left = after;
    }
    said + left
}

fn none(cause: String) -> Failure {
    Failure::unauthorized(format!("no credentials for S3: {HOW_TO_GIVE}"), cause)
}

/// Credentials go into headers: what does not fit there would end the process.
fn check(credential: &AwsCredential) -> Result<(), Failure> {
    let fits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    if !fits(&credential.key_id) || credential.token.as_deref().is_some_and(|token| !fits(token)) {
        let message =
            "the S3 credentials have characters that no credentials have: check AWS_ACCESS_KEY_ID and \
             AWS_SESSION_TOKEN for spaces and line breaks";
        return Err(Failure::unauthorized(message.into(), ""));
    }
    Ok(())
}
