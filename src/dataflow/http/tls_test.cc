// Goal: over TLS the service keeps every promise that it keeps without; nobody gets in by an old
// protocol, no handshake holds it up, and a new certificate takes over without a connection lost.
#include "dataflow/http/tls.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <mutex>

#include "dataflow/http/server_fixture.h"
#include "dataflow/http/tls_test_support.h"

namespace dataflow::http {
namespace {

using std::chrono::milliseconds;
using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class TlsTest : public ServerTest {
 protected:
  TlsTest() {
    options_.tls = {folder_ / "cert.pem", folder_ / "key.pem"};
    make_certificate(options_.tls, "first");
  }

  mock::TempDir folder_;
};

TEST_F(TlsTest, RequestsAreAnsweredOneAfterAnother) {
  start();
  EXPECT_THAT(server_->tls_description(), StartsWith("certificate of CN = first, valid until 2"));
  TlsClient client(server_->port());
  ASSERT_TRUE(client.connected());
  EXPECT_EQ(client.version(), TLS1_3_VERSION);
  for (int i = 0; i < 3; ++i) {
    client.send(kGet42);
    EXPECT_THAT(client.read_until("}"), AllOf(StartsWith("HTTP/1.1 200 "), EndsWith(kJson42)));
  }
  client.send(std::string(kGet42) + std::string(kGet42));
  EXPECT_THAT(client.read_until("}"), EndsWith(kJson42));
  EXPECT_THAT(client.read_until("}"), EndsWith(kJson42));
}

TEST_F(TlsTest, TheOldestProtocolIsTls12) {
  start();
  TlsClient older(server_->port(), TLS1_1_VERSION);
  EXPECT_FALSE(older.connected());
  TlsClient old(server_->port(), TLS1_2_VERSION);
  ASSERT_TRUE(old.connected());
  EXPECT_EQ(old.version(), TLS1_2_VERSION);
  old.send(kGet42);
  EXPECT_THAT(old.read_until("}"), EndsWith(kJson42));
}

TEST_F(TlsTest, TheLastAnswerIsWholeAndTheEndIsSaid) {
  start();
  TlsClient client(server_->port());
  client.send(get("/product/42", "Connection: close\r\n"));
  EXPECT_THAT(client.read_until("}"), EndsWith(kJson42));
  EXPECT_TRUE(client.ended_properly());
}

TEST_F(TlsTest, AnAnswerLargerThanEveryBufferArrives) {
  const std::string description(8 << 20, 'x');
  store_.find_fn = [&](ProductId id) -> Result<Product> {
    return Product{id, "Lamp", 1.5, {}, {}, {}, description};
  };
  start();
  TlsClient client(server_->port());
  client.send(kGet42);
  const std::string answer = client.read_until("\"}");
  EXPECT_GT(answer.size(), description.size());
  EXPECT_THAT(answer.substr(answer.size() - 10), "xxxxxxxx\"}");
}

TEST_F(TlsTest, PlainHttpIsNotServed) {
  std::mutex mutex;
  std::string told;
  options_.log = [&](const std::string& what) {
    const std::lock_guard lock(mutex);
    told += what;
  };
  start();
  auto plain = connect();
  plain.send(kGet42);
  while (plain.receive()) {
  }
  EXPECT_THAT(plain.input(), Not(HasSubstr("Lamp")));
  {
    const std::lock_guard lock(mutex);
    EXPECT_THAT(told, HasSubstr("a TLS handshake failed: http request"));
  }
  TlsClient client(server_->port());
  EXPECT_TRUE(client.connected());
}

TEST_F(TlsTest, AHandshakeHasADeadline) {
  options_.handshake_timeout = milliseconds(50);
  start();
  auto silent = connect();
  EXPECT_TRUE(silent.closed());
  auto halting = connect();
  halting.send("\x16\x03\x01");
  EXPECT_TRUE(halting.closed());
}

TEST_F(TlsTest, ASlowRequestIs408) {
  options_.header_timeout = milliseconds(1'000);  // begins before the client has sent anything
  start();
  TlsClient client(server_->port());
  client.send("GET /product/42 HTTP/1.1\r\nHo");
  EXPECT_THAT(client.read_until("}"), StartsWith("HTTP/1.1 408 "));
  EXPECT_TRUE(client.ended_properly());
}

TEST_F(TlsTest, AStoreThatDoesNotAnswerInTimeIs503) {
  options_.request_timeout = milliseconds(30);
  hold_the_store();
  start();
  TlsClient client(server_->port());
  client.send(kGet42);
  EXPECT_THAT(client.read_until("}"), StartsWith("HTTP/1.1 503 "));
  ASSERT_TRUE(held_.wait_for(1));
  held_.release();
}

TEST_F(TlsTest, OneTooManyIsTold) {
  options_.max_connections = 1;
  start();
  TlsClient first(server_->port());
  first.send(kGet42);
  first.read_until("}");
  TlsClient second(server_->port());
  EXPECT_THAT(second.read_until("}"), StartsWith("HTTP/1.1 503 "));
}

TEST_F(TlsTest, StoppingAnswersWhatIsInFlight) {
  hold_the_store();
  start();
  TlsClient idle(server_->port());
  TlsClient busy(server_->port());
  auto shaking = connect();
  ASSERT_TRUE(idle.connected() && busy.connected());
  busy.send(kGet42);
  ASSERT_TRUE(held_.wait_for(1));
  const auto begin = std::chrono::steady_clock::now();
  server_->stop();
  held_.release();
  EXPECT_THAT(busy.read_until("}"), EndsWith(kJson42));
  EXPECT_EQ(server_->wait(), 0U);
  // Nobody waits for the one that never spoke.
  EXPECT_LT(std::chrono::steady_clock::now() - begin, options_.drain_timeout / 2);
}

TEST_F(TlsTest, ANewCertificateTakesOverAndNoConnectionIsLost) {
  options_.threads = 2;
  start();
  TlsClient before(server_->port());
  EXPECT_EQ(before.common_name(), "first");
  before.send(kGet42);
  before.read_until("}");

  make_certificate(options_.tls, "second");
  const auto reloaded = server_->reload_tls();
  ASSERT_TRUE(reloaded) << reloaded.error().message;
  EXPECT_THAT(*reloaded, HasSubstr("CN = second"));
  for (int i = 0; i < 4; ++i) {
    TlsClient after(server_->port());
    EXPECT_EQ(after.common_name(), "second");
  }
  before.send(kGet42);
  EXPECT_THAT(before.read_until("}"), EndsWith(kJson42));

  std::ofstream(options_.tls.cert_file) << "half a cert";
  EXPECT_FALSE(server_->reload_tls());
  TlsClient later(server_->port());
  EXPECT_EQ(later.common_name(), "second");
}

std::string refused(const TlsFiles& files) {
  const auto loaded = load_tls(files);
  if (loaded) return "(loaded)";
  EXPECT_EQ(loaded.error().code, ErrorCode::kInvalid);
  return loaded.error().describe();
}

TEST(LoadTls, WhateverIsWrongIsNamedAndNothingOfTheKeyIsShown) {
  const mock::TempDir folder;
  const TlsFiles good{folder / "cert.pem", folder / "key.pem"};
  const TlsFiles other{folder / "cert2.pem", folder / "key2.pem"};
  make_certificate(good, "a");
  make_certificate(other, "b", 3'600, "a passphrase");
  const std::string text = folder / "text";
  std::ofstream(text) << "s3cret, and no PEM\n";
  const std::string nothing = folder / "nothing";
  std::ofstream(nothing).flush();

  EXPECT_EQ(refused(good), "(loaded)");
  EXPECT_THAT(refused({good.cert_file, ""}), HasSubstr("belong together"));
  EXPECT_THAT(refused({"", good.key_file}), HasSubstr("belong together"));
  EXPECT_THAT(refused({"/no/file", good.key_file}),
              HasSubstr("http.cert_file \"/no/file\": cannot be read: No such file"));
  EXPECT_THAT(refused({good.cert_file, "/no/file"}),
              HasSubstr("http.key_file \"/no/file\": cannot be read: No such file"));
  EXPECT_THAT(refused({nothing, good.key_file}), HasSubstr("is empty"));
  EXPECT_THAT(refused({text, good.key_file}), HasSubstr("expected certificates in PEM"));
  EXPECT_THAT(refused({good.cert_file, text}),
              AllOf(HasSubstr("expected a private key in PEM"), Not(HasSubstr("s3cret"))));
  EXPECT_THAT(refused({good.cert_file, other.key_file}), HasSubstr("is encrypted"));
  make_certificate(other, "b");
  EXPECT_THAT(refused({good.cert_file, other.key_file}),
              HasSubstr("is not the key of the certificate in http.cert_file"));
  make_certificate(other, "rsa", 3'600, nullptr, true);
  ASSERT_TRUE(load_tls(other));
  for (const auto& [cert, key] : {std::pair(good, other), std::pair(other, good)}) {
    EXPECT_THAT(refused({cert.cert_file, key.key_file}),
                HasSubstr("is not the key of the certificate in http.cert_file"));
  }
}

TEST(LoadTls, AnExpiredCertificateIsSaid) {
  const mock::TempDir folder;
  const TlsFiles files{folder / "cert.pem", folder / "key.pem"};
  make_certificate(files, "old", -60);
  const auto loaded = load_tls(files);
  ASSERT_TRUE(loaded);
  EXPECT_THAT(describe(*loaded, std::time(nullptr)),
              HasSubstr("which clients refuse: it was valid until 2"));
}

}  // namespace
}  // namespace dataflow::http
