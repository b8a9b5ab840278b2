// Certificates made when a test runs, and a client that speaks TLS; blocking, one thread.
#pragma once

#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstdio>
#include <string>
#include <string_view>

#include "dataflow/http/test_client.h"
#include "dataflow/http/tls.h"
#include "dataflow/mock/temp_dir.h"

namespace dataflow::http {

// Writes a key and a certificate signed by it. `passphrase`: the key is encrypted with it.
inline void make_certificate(const TlsFiles& files, const std::string& common_name,
                             long valid_seconds = 3'600, const char* passphrase = nullptr,
                             bool is_rsa = false) {
  EVP_PKEY* key = is_rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256");
  X509* certificate = X509_new();
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -86'400);
  X509_gmtime_adj(X509_getm_notAfter(certificate), valid_seconds);
  X509_set_pubkey(certificate, key);
  X509_NAME* name = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(common_name.c_str()), -1, -1,
                             0);
  X509_set_issuer_name(certificate, name);
  EXPECT_GT(X509_sign(certificate, key, EVP_sha256()), 0);
  std::FILE* out = std::fopen(files.cert_file.c_str(), "w");
  PEM_write_X509(out, certificate);
  std::fclose(out);
  out = std::fopen(files.key_file.c_str(), "w");
  PEM_write_PKCS8PrivateKey(out, key, passphrase == nullptr ? nullptr : EVP_aes_256_cbc(), nullptr,
                            0, nullptr, const_cast<char*>(passphrase));
  std::fclose(out);
  X509_free(certificate);
  EVP_PKEY_free(key);
}

class TlsClient {
 public:
  // `newest`: the latest protocol that the client offers; 0: what OpenSSL has.
  explicit TlsClient(std::uint16_t port, int newest = 0) : socket_(connect_to(port)) {
    context_ = SSL_CTX_new(TLS_client_method());
    if (newest != 0) {
      SSL_CTX_set_security_level(context_, 0);
      SSL_CTX_set_min_proto_version(context_, TLS1_VERSION);
      SSL_CTX_set_max_proto_version(context_, newest);
    }
    tls_ = SSL_new(context_);
    SSL_set_fd(tls_, socket_);
    connected_ = SSL_connect(tls_) == 1;
    ERR_clear_error();
  }
  TlsClient(const TlsClient&) = delete;
  TlsClient& operator=(const TlsClient&) = delete;
  ~TlsClient() {
    SSL_free(tls_);
    SSL_CTX_free(context_);
    ::close(socket_);
  }

  bool connected() const { return connected_; }
  int version() const { return SSL_version(tls_); }

  std::string common_name() const {
    char name[256] = {};
    X509_NAME_get_text_by_NID(X509_get_subject_name(SSL_get0_peer_certificate(tls_)),
                              NID_commonName, name, sizeof name);
    return name;
  }

  bool send(std::string_view bytes) {
    return SSL_write(tls_, bytes.data(), static_cast<int>(bytes.size())) ==
           static_cast<int>(bytes.size());
  }

  // Everything up to and with `end`, or what came before the connection ended.
  std::string read_until(std::string_view end) {
    while (input_.find(end) == std::string::npos && receive()) {
    }
    const std::size_t at = input_.find(end);
    const std::size_t size = at == std::string::npos ? input_.size() : at + end.size();
    std::string text = input_.substr(0, size);
    input_.erase(0, size);
    return text;
  }

  // Whether the server ended the connection as TLS demands: nobody cut it off.
  bool ended_properly() {
    while (receive()) {
    }
    return last_error_ == SSL_ERROR_ZERO_RETURN;
  }

 private:
  static int connect_to(std::uint16_t port) {
    const int made = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const timeval patience{TestClient::kPatience.count(), 0};
    setsockopt(made, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(made, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    return made;
  }

  bool receive() {
    char buffer[16'384];
    const int received = SSL_read(tls_, buffer, sizeof buffer);
    if (received <= 0) {
      last_error_ = SSL_get_error(tls_, received);
      ERR_clear_error();
      return false;
    }
    input_.append(buffer, static_cast<std::size_t>(received));
    return true;
  }

  int socket_;
  SSL_CTX* context_ = nullptr;
  SSL* tls_ = nullptr;
  bool connected_ = false;
  int last_error_ = SSL_ERROR_NONE;
  std::string input_;
};

}  // namespace dataflow::http
