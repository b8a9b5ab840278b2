// Goal: the service as its users run it, in this process: from arguments to exit code.
#include "cmd/microservice/app.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <chrono>
#include <csignal>
#include <future>
#include <thread>

#include "dataflow/http/test_client.h"
#include "dataflow/mock/temp_dir.h"
#include "dataflow/mock/wait.h"
#include "dataflow/rocksdb/database.h"
#include "dataflow/rocksdb/product_service.h"

namespace dataflow::cmd {
namespace {

using http::Answer;
using http::TestClient;
using ::testing::HasSubstr;

ServiceArguments arguments_for(const std::string& database) {
  ServiceArguments arguments;
  arguments.config.rocksdb.path = database;
  arguments.config.http.access_log = false;
  arguments.config.http.threads = 1;
  arguments.listen = {"127.0.0.1", 0};
  return arguments;
}

// Runs an App on a thread of its own until the end of the test.
class Running {
 public:
  explicit Running(ServiceArguments arguments) : app_(std::move(arguments)) {
    auto listening = listening_.get_future();
    app_.on_listening = [this](const std::string& address) { listening_.set_value(address); };
    thread_ = std::thread([this] { code_ = app_.run(); });
    EXPECT_EQ(listening.wait_for(TestClient::kPatience), std::future_status::ready);
    const std::string address = listening.get();
    port_ = static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1)));
  }
  ~Running() { stop(); }

  int stop() {
    if (thread_.joinable()) {
      app_.stop();
      thread_.join();
    }
    return code_;
  }
  int join() {
    thread_.join();
    return code_;
  }

  std::uint16_t port() const { return port_; }
  const App& app() const { return app_; }

  Answer get(const std::string& target) const {
    TestClient client(port_);
    client.send("GET " + target + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    return client.read_answer().value_or(Answer{});
  }

 private:
  App app_;
  std::promise<std::string> listening_;
  std::thread thread_;
  std::uint16_t port_ = 0;
  int code_ = -1;
};

void save(rocksdb::ProductService& store, ProductId id, std::string_view title) {
  const std::vector<ProductView> rows = {{id, title, 19.5, {}, {}, {}, {}}};
  bool stored[1] = {false};
  ASSERT_TRUE(mock::wait(store.save_many(rows, 1, stored)));
  ASSERT_TRUE(stored[0]);
}

// Asks until the answer is as wanted.
Answer ask_until(const Running& service, const std::string& target, int status,
                 const std::string& part = "") {
  const auto until = std::chrono::steady_clock::now() + TestClient::kPatience;
  Answer answer;
  do {
    answer = service.get(target);
    if (answer.status == status && answer.body.find(part) != std::string::npos) break;
  } while (std::chrono::steady_clock::now() < until);
  return answer;
}

TEST(App, ServesTheEmbeddedStoreWhileAnotherWritesIt) {
  const mock::TempDir folder;
  const std::string path = folder / "db";
  Running service(arguments_for(path));
  const Answer absent = service.get("/product/42");
  EXPECT_EQ(absent.status, 503);
  EXPECT_EQ(absent.fields.at("retry-after"), "1");
  {
    auto database = rocksdb::Database::open({.path = path});
    ASSERT_TRUE(database) << database.error().describe();
    rocksdb::ProductService store(*database);
    save(store, 42, "Lamp");
    EXPECT_EQ(ask_until(service, "/product/42", 200).body,
              R"({"id":42,"title":"Lamp","price":19.5,"category":null,"brand":null,"url":null,)"
              R"("description":null})");
    EXPECT_EQ(service.get("/product/43").status, 404);
    save(store, 42, "Lantern");
    EXPECT_THAT(ask_until(service, "/product/42", 200, "Lantern").body, HasSubstr("Lantern"));
  }
  EXPECT_EQ(service.stop(), kExitStopped);
  EXPECT_TRUE(service.app().is_clean());
  EXPECT_FALSE(TestClient(service.port()).connected());
}

TEST(App, SignalsStopItInOrder) {
  for (const int signal : {SIGINT, SIGTERM}) {
    const mock::TempDir folder;
    Running service(arguments_for(folder / "db"));
    ASSERT_EQ(raise(signal), 0);
    EXPECT_EQ(service.join(), kExitStopped);
  }
}

TEST(App, APortInUseIsExitCode1AndAWrongHost2) {
  const mock::TempDir folder;
  Running first(arguments_for(folder / "db"));
  ServiceArguments same = arguments_for(folder / "db");
  same.listen.port = first.port();
  EXPECT_EQ(App(same).run(), kExitCannotListen);
  ServiceArguments nowhere = arguments_for(folder / "db");
  nowhere.listen.host = "no such host";
  EXPECT_EQ(App(nowhere).run(), 2);
  ServiceArguments wrong = arguments_for(folder / "db");
  wrong.config.cassandra.emplace().keyspace = "No Keyspace";
  EXPECT_EQ(App(wrong).run(), 2);
}

// A port of this host where nobody listens.
std::uint16_t closed_port() {
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  EXPECT_EQ(::bind(socket, reinterpret_cast<sockaddr*>(&address), size), 0);
  EXPECT_EQ(::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size), 0);
  ::close(socket);
  return ntohs(address.sin_port);
}

TEST(App, WithoutItsCassandraItServes503AndStopsWhenAsked) {
  const mock::TempDir folder;
  ServiceArguments arguments = arguments_for(folder / "db");
  arguments.config.cassandra.emplace().port = closed_port();
  arguments.config.cassandra->connect_timeout_ms = 1'000;
  Running service(arguments);
  const Answer answer = service.get("/product/42");
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.fields.at("retry-after"), "1");
  EXPECT_EQ(service.get("/product/x").status, 400);
  EXPECT_EQ(service.stop(), kExitStopped);
}

}  // namespace
}  // namespace dataflow::cmd
