// Goal: every kind of error that a server sends or causes comes back with the right code, with a
// message that says where and what to do, without the password, and in time. The server here is a
// socket that speaks just enough of the protocol.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <fstream>
#include <mutex>
#include <thread>

#include "dataflow/cassandra/connection.h"
#include "dataflow/cassandra/testing.h"
#include "dataflow/mock/temp_dir.h"

namespace dataflow::cassandra {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

// What the native protocol (version 4) calls them.
enum Opcode : std::uint8_t {
  kError = 0,
  kStartup = 1,
  kReady = 2,
  kAuthenticate = 3,
  kOptions = 5,
  kSupported = 6,
  kRegister = 11,
  kAuthResponse = 15,
};

std::string text(std::string_view value) {
  return big_endian(value.size(), 2) + std::string(value);
}

// Serves connections until it is destroyed. Statements are answered with `error`, logins with
// `login_error` (no login is asked for where that is empty); with `mute` nothing is ever answered;
// with `alert` the first bytes are, by a fatal alert of TLS.
class FakeServer {
 public:
  std::string error;
  std::string login_error;
  bool mute = false;
  std::uint8_t alert = 0;

  FakeServer() : listener_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
        listen(listener_, 16) != 0 ||
        getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
      throw std::runtime_error("no socket to listen on");
    }
    port_ = ntohs(address.sin_port);
  }

  void start() {
    acceptor_ = std::thread([this] { accept_all(); });
  }

  ~FakeServer() {
    shutdown(listener_, SHUT_RDWR);
    if (acceptor_.joinable()) acceptor_.join();
    for (const int peer : peers_) shutdown(peer, SHUT_RDWR);
    for (std::thread& thread : threads_) thread.join();
    for (const int peer : peers_) close(peer);
    close(listener_);
  }

  std::uint16_t port() const { return port_; }

 private:
  void accept_all() {
    for (int peer; (peer = accept(listener_, nullptr, nullptr)) >= 0;) {
      peers_.push_back(peer);
      threads_.emplace_back([this, peer] { serve(peer); });
    }
  }

  void serve(int peer) const {
    std::array<char, 9> head;
    if (alert != 0) {
      if (recv(peer, head.data(), head.size(), MSG_WAITALL) != ssize_t{head.size()}) return;
      const std::string record = std::string("\x15\3\3\0\2\2", 6) + static_cast<char>(alert);
      send(peer, record.data(), record.size(), MSG_NOSIGNAL);
      return;
    }
    while (recv(peer, head.data(), head.size(), MSG_WAITALL) == ssize_t{head.size()}) {
      std::uint32_t size = 0;
      for (int i = 5; i < 9; ++i) size = size << 8 | static_cast<std::uint8_t>(head[i]);
      std::string body(size, '\0');
      if (size > 0 && recv(peer, body.data(), size, MSG_WAITALL) != ssize_t{size}) return;
      if (mute) continue;
      const auto [opcode, answer] = answer_to(static_cast<Opcode>(head[4]));
      const std::string frame = std::string("\x84\0", 2) + head[2] + head[3] +
                                static_cast<char>(opcode) + big_endian(answer.size(), 4) + answer;
      if (send(peer, frame.data(), frame.size(), MSG_NOSIGNAL) < 0) return;
    }
  }

  std::pair<Opcode, std::string> answer_to(Opcode request) const {
    switch (request) {
      case kOptions:
        return {kSupported, big_endian(0, 2)};
      case kStartup:
        if (login_error.empty()) return {kReady, ""};
        return {kAuthenticate, text("org.apache.cassandra.auth.PasswordAuthenticator")};
      case kRegister:
        return {kReady, ""};
      case kAuthResponse:
        return {kError, login_error};
      default:
        return {kError, error};
    }
  }

  const int listener_;
  std::uint16_t port_ = 0;
  std::thread acceptor_;
  std::vector<int> peers_;
  std::vector<std::thread> threads_;
};

Options options_for(std::uint16_t port) {
  return {.hosts = {"127.0.0.1"},
          .port = port,
          .user = "loader",
          .pass = "geheim",
          .connect_timeout_ms = 10'000,
          .request_timeout_ms = 20'000};
}

// The error of the first step that fails: connecting, or a statement.
Error failure(const Options& options) {
  auto connection = new_connection(options);
  if (!connection) return connection.error();
  auto connected = run((*connection)->connect());
  if (!connected) return connected.error();
  auto rows = run((*connection)->query("SELECT anything"));
  return rows ? Error{ErrorCode::kNotFound, "no failure", ""} : rows.error();
}

struct Case {
  const char* name;
  std::uint32_t code;
  std::string details;
  ErrorCode expected;
};

class ServerErrors : public testing::TestWithParam<Case> {};

TEST_P(ServerErrors, HaveTheirCode) {
  FakeServer server;
  server.error = big_endian(GetParam().code, 4) + text("the server's words") + GetParam().details;
  server.start();
  const Error error = failure(options_for(server.port()));
  EXPECT_EQ(error.code, GetParam().expected) << error.describe();
  EXPECT_THAT(error.describe(), AllOf(HasSubstr("127.0.0.1"), Not(HasSubstr("geheim"))));
  EXPECT_THAT(error.describe(), HasSubstr("the server's words"));
}

const std::string kCounts = big_endian(4, 2) + big_endian(1, 4) + big_endian(2, 4);  // at QUORUM

INSTANTIATE_TEST_SUITE_P(
    Codes, ServerErrors,
    testing::Values(Case{"ServerError", 0x0000, "", ErrorCode::kUnavailable},
                    Case{"ProtocolError", 0x000A, "", ErrorCode::kInternal},
                    Case{"Unavailable", 0x1000, kCounts, ErrorCode::kUnavailable},
                    Case{"Overloaded", 0x1001, "", ErrorCode::kUnavailable},
                    Case{"IsBootstrapping", 0x1002, "", ErrorCode::kUnavailable},
                    Case{"TruncateError", 0x1003, "", ErrorCode::kUnavailable},
                    Case{"WriteTimeout", 0x1100, kCounts + text("SIMPLE"), ErrorCode::kUnavailable},
                    Case{"ReadTimeout", 0x1200, kCounts + "\1", ErrorCode::kUnavailable},
                    Case{"ReadFailure", 0x1300, kCounts + big_endian(1, 4) + "\1",
                         ErrorCode::kUnavailable},
                    Case{"WriteFailure", 0x1500, kCounts + big_endian(1, 4) + text("BATCH"),
                         ErrorCode::kUnavailable},
                    Case{"SyntaxError", 0x2000, "", ErrorCode::kInvalid},
                    Case{"Unauthorized", 0x2100, "", ErrorCode::kUnauthorized},
                    Case{"Invalid", 0x2200, "", ErrorCode::kInvalid},
                    Case{"ConfigError", 0x2300, "", ErrorCode::kInvalid},
                    Case{"AlreadyExists", 0x2400, text("ks") + text("t"), ErrorCode::kInvalid},
                    Case{"SomethingNew", 0x7777, "", ErrorCode::kInternal}),
    [](const auto& tested) { return std::string(tested.param.name); });

TEST(ClientErrors, AWrongPasswordIsUnauthorizedAndStaysSecret) {
  FakeServer server;
  server.login_error =
      big_endian(0x0100, 4) + text("Provided username loader and/or password are incorrect");
  server.start();
  const Error error = failure(options_for(server.port()));
  EXPECT_EQ(error.code, ErrorCode::kUnauthorized) << error.describe();
  EXPECT_THAT(error.message, AllOf(HasSubstr("loader"), HasSubstr("check user and password")));
  EXPECT_THAT(error.describe(), Not(HasSubstr("geheim")));
}

// Users and rights are rows as well: a cluster that lacks the nodes that hold them refuses nobody.
TEST(ClientErrors, RightsThatCannotBeReadAreUnavailable) {
  const std::string words = ": Cannot achieve consistency level LOCAL_ONE";
  FakeServer login;
  login.login_error = big_endian(0x0100, 4) + text("Unable to perform authentication" + words);
  login.start();
  FakeServer statement;
  statement.error =
      big_endian(0x2100, 4) + text("Unable to perform authorization of permissions" + words);
  statement.start();
  for (const std::uint16_t port : {login.port(), statement.port()}) {
    const Error error = failure(options_for(port));
    EXPECT_EQ(error.code, ErrorCode::kUnavailable) << error.describe();
    EXPECT_THAT(error.message, AllOf(HasSubstr(words), HasSubstr("system_auth")));
  }
}

TEST(ClientErrors, AMissingLoginIsUnauthorized) {
  FakeServer server;
  server.login_error = "never reached";
  server.start();
  Options options = options_for(server.port());
  options.user = options.pass = "";
  const Error error = failure(options);
  EXPECT_EQ(error.code, ErrorCode::kUnauthorized) << error.describe();
  EXPECT_THAT(error.message, HasSubstr("configure user and password"));
}

// Of no authority that signed anything.
constexpr std::string_view kAuthority = R"(-----BEGIN CERTIFICATE-----
MIIBdTCCARugAwIBAgIUKkK5nrzuaURrsm9jxA8TxZQiUmswCgYIKoZIzj0EAwIw
DzENMAsGA1UEAwwEdGVzdDAgFw0yNjExMjgxODQ3MjJaGA8yMTI2MTEwNDE4NDcy
MlowDzENMAsGA1UEAwwEdGVzdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABIK6
JJdJQkDxLNWXjbUu8ZtLvbtBesMDn3mI049Z9Tgte/BGIA9RZSGvbZpgsHdHMijU
MCBskcMLHYyMLmDaYj2jUzBRMB0GA1UdDgQWBBSkR1VJweHRamxzLQ5E5iEBoHNC
XzAfBgNVHSMEGDAWgBSkR1VJweHRamxzLQ5E5iEBoHNCXzAPBgNVHRMBAf8EBTAD
AQH/MAoGCCqGSM49BAMCA0gAMEUCIQC5k3vulpu6dnzFmwbQ9OrgdbM7E31ITB8X
bU56SmgMRAIgRSvpqpJXZMeb3NxOEPpmj1Eiwg3JxENDisBNEUzoy2E=
-----END CERTIFICATE-----
)";

struct Alert {
  const char* name;
  std::uint8_t number;  // RFC 8446, 6.2
  ErrorCode expected;
};

class TlsAlerts : public testing::TestWithParam<Alert> {};

// What a server says of whom it believes stays so; what it says of itself may pass.
TEST_P(TlsAlerts, HaveTheirCode) {
  FakeServer server;
  server.alert = GetParam().number;
  server.start();
  const mock::TempDir folder;
  std::ofstream(folder / "ca.pem") << kAuthority;
  Options options = options_for(server.port());
  options.tls = true;
  options.ca_file = folder / "ca.pem";
  const Error error = failure(options);
  EXPECT_EQ(error.code, GetParam().expected) << error.describe();
  EXPECT_THAT(error.cause, HasSubstr("received fatal alert"));
}

INSTANTIATE_TEST_SUITE_P(
    Alerts, TlsAlerts,
    testing::Values(Alert{"UnexpectedMessage", 10, ErrorCode::kUnavailable},
                    Alert{"BadRecordMac", 20, ErrorCode::kUnavailable},
                    Alert{"HandshakeFailure", 40, ErrorCode::kUnauthorized},
                    Alert{"BadCertificate", 42, ErrorCode::kUnauthorized},
                    Alert{"CertificateExpired", 45, ErrorCode::kUnauthorized},
                    Alert{"UnknownCa", 48, ErrorCode::kUnauthorized},
                    Alert{"DecodeError", 50, ErrorCode::kUnavailable},
                    Alert{"ProtocolVersion", 70, ErrorCode::kUnauthorized},
                    Alert{"InternalError", 80, ErrorCode::kUnavailable},
                    Alert{"UserCanceled", 90, ErrorCode::kUnavailable},
                    Alert{"UnrecognizedName", 112, ErrorCode::kUnauthorized},
                    Alert{"BadCertificateStatus", 113, ErrorCode::kUnavailable},
                    Alert{"CertificateRequired", 116, ErrorCode::kUnauthorized},
                    Alert{"Nameless", 200, ErrorCode::kUnavailable}),
    [](const auto& tested) { return std::string(tested.param.name); });

TEST(ClientErrors, NobodyListeningIsUnavailable) {
  std::uint16_t port = 0;
  {
    port = FakeServer().port();
  }
  const Error error = failure(options_for(port));
  EXPECT_EQ(error.code, ErrorCode::kUnavailable) << error.describe();
  EXPECT_THAT(error.message, AllOf(HasSubstr("127.0.0.1"), HasSubstr(std::to_string(port))));
}

TEST(ClientErrors, AServerThatNeverAnswersIsUnavailableWithinTheDeadline) {
  FakeServer server;
  server.mute = true;
  server.start();
  Options options = options_for(server.port());
  options.connect_timeout_ms = 300;
  const auto start = std::chrono::steady_clock::now();
  const Error error = failure(options);
  EXPECT_EQ(error.code, ErrorCode::kUnavailable) << error.describe();
  // One host: two steps of 300 ms; the rest is for a busy machine.
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
}

TEST(ClientErrors, AHostThatHasNoAddressIsUnavailable) {
  Options options = options_for(9042);
  options.hosts = {"no-such-host.invalid"};
  const Error error = failure(options);
  EXPECT_EQ(error.code, ErrorCode::kUnavailable) << error.describe();
  EXPECT_THAT(error.message, HasSubstr("no-such-host.invalid"));
}

TEST(ClientErrors, AnUnknownConsistencyIsInvalid) {
  Options options = options_for(9042);
  options.consistency = "most";
  const Error error = failure(options);
  EXPECT_EQ(error.code, ErrorCode::kInvalid);
  EXPECT_THAT(error.message, HasSubstr("most"));
}

TEST(ClientErrors, SettingsThatAreNotUtf8AreInvalid) {
  Options options = options_for(9042);
  options.pass = "\xff";
  const Error error = failure(options);
  EXPECT_EQ(error.code, ErrorCode::kInvalid);
}

TEST(ClientErrors, UseBeforeConnectingIsOurOwnMistake) {
  auto connection = new_connection(options_for(9042));
  ASSERT_TRUE(connection);
  EXPECT_EQ(run((*connection)->query("SELECT anything")).error().code, ErrorCode::kInternal);
  const std::vector<ProductId> ids{1, 2};
  EXPECT_EQ(run((*connection)->select(ids)).error().code, ErrorCode::kInternal);
  std::vector<std::uint32_t> groups{7, 7};
  (*connection)->replica_groups(ids, groups);
  EXPECT_EQ(groups, (std::vector<std::uint32_t>{0, 0}));
}

}  // namespace
}  // namespace dataflow::cassandra
