//! TLS for all clients: whom they believe, what they show of themselves, and what a failed handshake means.
//!
//! Certificates are always verified, names as well; there is no way to switch that off.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::WebPkiServerVerifier;
use rustls::crypto::{aws_lc_rs, CryptoProvider};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};

use crate::bridge::TlsOptions;

/// A file that the settings name and that is of no use; nothing of a key.
#[derive(Clone, Debug)]
pub struct BadFile {
    pub message: String,
    pub cause: String,
}

/// What the client of `section` uses for every handshake. Reads the files. `names`: a server's certificate may also
/// be for one of these, where it is not for what was connected to.
pub fn client_config(
    section: &str,
    options: &TlsOptions,
    names: &[String],
) -> Result<ClientConfig, BadFile> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let roots = Arc::new(roots(section, options)?);
    let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider.clone())
        .build()
        .map_err(|error| bad(section, "ca_file", &options.ca_file, "has no usable certificate", error))?;
    let names = names.iter().filter_map(|name| ServerName::try_from(name.clone()).ok()).collect();
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .expect("the provider knows TLS 1.2 and 1.3")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Verifier { verifier, names }));
    match identity(section, options, &provider)? {
        None => Ok(builder.with_no_client_auth()),
        Some((chain, key)) => builder.with_client_auth_cert(chain, key).map_err(|error| {
            let what = format!("is not the key of {section}.cert_file");
            bad(section, "key_file", &options.key_file, &what, error)
        }),
    }
}

fn bad(section: &str, key: &str, file: &str, what: &str, cause: impl std::fmt::Display) -> BadFile {
    BadFile { message: format!("{section}.{key} \"{file}\" {what}"), cause: cause.to_string() }
}

fn roots(section: &str, options: &TlsOptions) -> Result<RootCertStore, BadFile> {
    let mut roots = RootCertStore::empty();
    if options.ca_file.is_empty() {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            let message = format!(
                "this system has no certificates to check a server's by: \
                 install ca-certificates or set {section}.ca_file"
            );
            return Err(BadFile { message, cause: String::new() });
        }
        return Ok(roots);
    }
    for certificate in certificates(section, "ca_file", &options.ca_file)? {
        roots
            .add(certificate)
            .map_err(|error| bad(section, "ca_file", &options.ca_file, "has a broken certificate", error))?;
    }
    Ok(roots)
}

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn identity(
    section: &str,
    options: &TlsOptions,
    provider: &CryptoProvider,
) -> Result<Option<Identity>, BadFile> {
    if options.cert_file.is_empty() && options.key_file.is_empty() {
        return Ok(None);
    }
    if options.cert_file.is_empty() || options.key_file.is_empty() {
        let message = format!("{section}.cert_file and {section}.key_file belong together: set both, or neither");
        return Err(BadFile { message, cause: String::new() });
    }
    let chain = certificates(section, "cert_file", &options.cert_file)?;
    let text = read(section, "key_file", &options.key_file)?;
    let key = PrivateKeyDer::from_pem_slice(&text).map_err(|error| {
        let encrypted = String::from_utf8_lossy(&text).contains("ENCRYPTED");
        let what = match encrypted {
            true => "is encrypted: give a key without a passphrase, readable by this program alone",
            false => "is no private key in PEM",
        };
        // The parser's words name the kind of a section, and nothing in it.
        bad(section, "key_file", &options.key_file, what, error)
    })?;
    provider
        .key_provider
        .load_private_key(key.clone_key())
        .map_err(|error| bad(section, "key_file", &options.key_file, "has a key of an unknown kind", error))?;
    Ok(Some((chain, key)))
}

fn read(section: &str, key: &str, file: &str) -> Result<Vec<u8>, BadFile> {
    std::fs::read(file).map_err(|error| bad(section, key, file, "cannot be read", error))
}

fn certificates(section: &str, key: &str, file: &str) -> Result<Vec<CertificateDer<'static>>, BadFile> {
    let text = read(section, key, file)?;
    let found = CertificateDer::pem_slice_iter(&text).collect::<Result<Vec<_>, _>>();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(bad(section, key, file, "has no certificate in PEM", "")),
        Err(error) => Err(bad(section, key, file, "has no certificate in PEM", error)),
    }
}

/// Verifies as usual; a certificate that is right in everything but its name may still be for one of `names`.
#[derive(Debug)]
struct Verifier {
    verifier: Arc<WebPkiServerVerifier>,
    names: Vec<ServerName<'static>>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let check =
            |name: &ServerName<'_>| self.verifier.verify_server_cert(end_entity, intermediates, name, ocsp, now);
        match check(server_name) {
            Err(error) if is_wrong_name(&error) => {
                self.names.iter().find_map(|name| check(name).ok()).ok_or(error)
            }
            result => result,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

fn is_wrong_name(error: &Error) -> bool {
    matches!(
        error,
        Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }
        )
    )
}

/// What a client's error says of the handshake, as a sentence's end with what to do; None where it says nothing of
/// one. `name_hint`: how to name a server as its certificate does. Goes by rustls's own words (their version is
/// pinned), for the clients wrap its errors in ways that hide their type.
pub fn meaning(section: &str, options: &TlsOptions, name_hint: &str, words: &str) -> Option<String> {
    let has = |text: &str| words.contains(text);
    if has("UnknownIssuer") || has("CaUsedAsEndEntity") || has("BadSignature") {
        return Some(match options.ca_file.is_empty() {
            true => format!(
                "its certificate is signed by no authority that this system knows: \
                 set {section}.ca_file to its authority's certificate"
            ),
            false => format!(
                "its certificate is not signed by the authority in {section}.ca_file \"{}\": \
                 correct the file, or make sure that this is the right server",
                options.ca_file
            ),
        });
    }
    if has("certificate not valid for name") || has("NotValidForName") {
        return Some(format!("its certificate is for another name: {name_hint}"));
    }
    if has("certificate expired") || has("peer certificate: Expired") {
        return Some("its certificate has expired: have it renewed".into());
    }
    if has("certificate not valid yet") || has("NotValidYet") {
        return Some("its certificate is not valid yet: set this machine's clock, or the server's".into());
    }
    if has("invalid peer certificate") {
        return Some("its certificate cannot be used".into());
    }
    if alert(words).is_some_and(|alert| REFUSALS.contains(&alert)) {
        return Some(refused(section, options, words));
    }
    // Something answers, in another language.
    if has("received corrupt message") || has("excess record size") || has("peer is incompatible") {
        return Some(format!("it does not speak TLS (1.2 or 1.3) there: correct the port, or {section}'s settings"));
    }
    None
}

/// What a server says by these of what we are, show or speak: that does not get better. The others (of RFC 8446, 6.2) are
/// about itself, or about bytes that got lost: those it may not say again.
const REFUSALS: [&str; 16] = [
    "HandshakeFailure",
    "NoCertificate",
    "BadCertificate",
    "UnsupportedCertificate",
    "CertificateRevoked",
    "CertificateExpired",
    "CertificateUnknown",
    "UnknownCA",
    "AccessDenied",
    "DecryptError",
    "ExportRestriction",
    "ProtocolVersion",
    "InsufficientSecurity",
    "UnrecognisedName",
    "CertificateRequired",
    "NoApplicationProtocol",
];

/// The name of the alert that a server ended a connection by, in rustls's words.
fn alert(words: &str) -> Option<&str> {
    let (_, name) = words.split_once("received fatal alert: ")?;
    name.split(|letter: char| !letter.is_ascii_alphanumeric()).next()
}

fn refused(section: &str, options: &TlsOptions, words: &str) -> String {
    let about_certificate = ["CertificateRequired", "BadCertificate", "HandshakeFailure", "CertificateUnknown"];
    if options.cert_file.is_empty() && about_certificate.iter().any(|alert| words.contains(alert)) {
        return format!(
            "it asks for a client certificate: set {section}.cert_file and {section}.key_file"
        );
    }
    if options.cert_file.is_empty() {
        return "it refuses the handshake".into();
    }
    let ours = format!("it refuses the client certificate {section}.cert_file \"{}\"", options.cert_file);
    match words.contains("CertificateExpired") {
        true => format!("{ours}, which has expired: have it renewed"),
        false => format!("{ours}: give one that its authority signed"),
    }
}

/// An error, and what is behind it, in words.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(inner) = next {
        let inner_text = inner.to_string();
        if !text.ends_with(&inner_text) {
            text += ": ";
            text += &inner_text;
        }
        next = inner.source();
    }
    text
}
