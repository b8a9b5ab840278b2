// What the service shows its clients over TLS: certificate chain and private key, in PEM files.
//
// The rules of every handshake stand here: TLS 1.2 or newer, no renegotiation, no compression, no
// session kept by the server (clients that resume carry theirs). Loading blocks on the files; what
// was loaded is never changed, so it may be used by any thread, and connections made with it go on
// after a newer one took its place.
#pragma once

#include <ctime>
#include <memory>
#include <string>

#include "dataflow/error.h"

namespace boost::asio::ssl {
class context;
}

namespace dataflow::http {

struct TlsFiles {
  std::string cert_file;  // the server's certificate, then those between it and the CA
  std::string key_file;   // its private key, without a passphrase

  bool empty() const { return cert_file.empty() && key_file.empty(); }
};

using TlsContext = std::shared_ptr<boost::asio::ssl::context>;

struct TlsIdentity {
  TlsContext context;
  std::string subject;         // "CN = shop.example"
  std::time_t expires_at = 0;  // the server's own certificate
};

// kInvalid, naming the file and what is wrong with it; never anything of the key.
Result<TlsIdentity> load_tls(const TlsFiles& files);

// "certificate of CN = shop.example, valid until 2027-01-31T00:00:00Z"; says so where it has
// expired.
std::string describe(const TlsIdentity& identity, std::time_t now);

}  // namespace dataflow::http
