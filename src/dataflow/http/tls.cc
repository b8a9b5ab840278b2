#include "dataflow/http/tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <array>
#include <boost/asio/ssl/context.hpp>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>

namespace dataflow::http {
namespace {

using boost::asio::ssl::context;

struct Free {
  void operator()(BIO* bio) const { BIO_free_all(bio); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};

// OpenSSL's last words, which are on the format and never on what a key is.
std::string last_words() {
  const unsigned long code = ERR_peek_last_error();
  ERR_clear_error();
  const char* reason = ERR_reason_error_string(code);
  return reason == nullptr ? "" : reason;
}

std::unexpected<Error> wrong(const std::string& setting, const std::string& file,
                             const std::string& what, std::string cause = {}) {
  return fail(ErrorCode::kInvalid, setting + " \"" + file + "\": " + what, std::move(cause));
}

// Nothing, or why the file cannot be read: OpenSSL's own words on that are poor.
Result<void> readable(const std::string& setting, const std::string& file) {
  errno = 0;
  std::ifstream stream(file);
  if (stream && stream.peek() != std::ifstream::traits_type::eof()) return {};
  if (errno == 0) return wrong(setting, file, "is empty");
  return wrong(setting, file, std::string("cannot be read: ") + std::strerror(errno));
}

// Instead of asking on the terminal, where a daemon has nobody.
int no_passphrase(char*, int, int, void* asked) {
  *static_cast<bool*>(asked) = true;
  return -1;
}

Result<void> use_certificates(SSL_CTX* tls, const std::string& file) {
  const auto good = readable("http.cert_file", file);
  if (!good) return good;
  if (SSL_CTX_use_certificate_chain_file(tls, file.c_str()) == 1) return {};
  return wrong("http.cert_file", file, "expected certificates in PEM (-----BEGIN CERTIFICATE-----)",
               last_words());
}

Result<void> use_key(SSL_CTX* tls, const std::string& file) {
  const auto good = readable("http.key_file", file);
  if (!good) return good;
  const std::unique_ptr<BIO, Free> bio(BIO_new_file(file.c_str(), "r"));
  bool is_encrypted = false;
  const std::unique_ptr<EVP_PKEY, Free> key(
      bio == nullptr ? nullptr
                     : PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, &is_encrypted));
  if (is_encrypted) {
    ERR_clear_error();
    return wrong("http.key_file", file,
                 "is encrypted: give a key without a passphrase, readable by the service alone");
  }
  if (key == nullptr) {
    return wrong("http.key_file", file,
                 "expected a private key in PEM (-----BEGIN PRIVATE KEY-----)", last_words());
  }
  // A key of another kind than the certificate's is only refused by the second.
  if (SSL_CTX_use_PrivateKey(tls, key.get()) == 1 && SSL_CTX_check_private_key(tls) == 1) return {};
  return wrong("http.key_file", file, "is not the key of the certificate in http.cert_file",
               last_words());
}

std::string subject_of(X509* certificate) {
  const std::unique_ptr<BIO, Free> bio(BIO_new(BIO_s_mem()));
  X509_NAME_print_ex(bio.get(), X509_get_subject_name(certificate), 0,
                     XN_FLAG_ONELINE & ~ASN1_STRFLGS_ESC_MSB);
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}

std::time_t expiry_of(X509* certificate) {
  std::tm time{};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &time) != 1) return 0;
  return timegm(&time);
}

}  // namespace

Result<TlsIdentity> load_tls(const TlsFiles& files) {
  if (files.cert_file.empty() || files.key_file.empty()) {
    return fail(ErrorCode::kInvalid,
                "http.cert_file and http.key_file belong together: set both, or neither");
  }
  ERR_clear_error();
  TlsIdentity identity;
  identity.context = std::make_shared<context>(context::tls_server);
  SSL_CTX* tls = identity.context->native_handle();
  SSL_CTX_set_min_proto_version(tls, TLS1_2_VERSION);
  SSL_CTX_set_options(tls, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_OFF);
  if (auto used = use_certificates(tls, files.cert_file); !used) {
    return std::unexpected(std::move(used.error()));
  }
  if (auto used = use_key(tls, files.key_file); !used) {
    return std::unexpected(std::move(used.error()));
  }
  X509* certificate = SSL_CTX_get0_certificate(tls);
  identity.subject = subject_of(certificate);
  identity.expires_at = expiry_of(certificate);
  return identity;
}

std::string describe(const TlsIdentity& identity, std::time_t now) {
  std::array<char, 32> text{};
  std::tm time{};
  gmtime_r(&identity.expires_at, &time);
  std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &time);
  const bool is_over = identity.expires_at < now;
  return "certificate of " + identity.subject + ", " +
         (is_over ? "which clients refuse: it was valid until " : "valid until ") + text.data();
}

}  // namespace dataflow::http
