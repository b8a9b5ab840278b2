// For the live tests of this folder: a keyspace of the test's own on a real server, dropped at the
// end.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <boost/asio/thread_pool.hpp>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <sstream>
#include <string>
#include <utility>

#include "dataflow/cassandra/connection.h"
#include "dataflow/cassandra/product_service.h"
#include "dataflow/cassandra/testing.h"

namespace dataflow::cassandra {

class LiveTest : public testing::Test {
 protected:
  void SetUp() override {
    const char* hosts = std::getenv("DATAFLOW_CASSANDRA_HOST");
    const char* port = std::getenv("DATAFLOW_CASSANDRA_PORT");
    if (hosts == nullptr || port == nullptr) {
      FAIL() << "no Cassandra to test with: eval \"$(scripts/servers.sh start cassandra)\"";
    }
    options_.hosts.clear();
    std::istringstream list(hosts);
    for (std::string host; std::getline(list, host, ',');) options_.hosts.push_back(host);
    options_.port = static_cast<std::uint16_t>(std::stoi(port));
    const auto now = std::chrono::system_clock::now().time_since_epoch().count();
    options_.keyspace = "test_" + std::to_string(getpid()) + "_" + std::to_string(now);
    connection_ = new_connection(options_).value();
    const auto connected = run_on(pool_, connection_->connect());
    ASSERT_TRUE(connected) << connected.error().describe();
  }

  void TearDown() override {
    if (connection_) {
      (void)run_on(pool_, connection_->query("DROP KEYSPACE IF EXISTS " + options_.keyspace));
    }
  }

  // One statement; KS stands for the test's keyspace.
  Result<Rows> cql(std::string statement) {
    for (std::size_t at; (at = statement.find("KS.")) != std::string::npos;) {
      statement.replace(at, 2, options_.keyspace);
    }
    auto result = run_on(pool_, connection_->query(std::move(statement)));
    if (!result) ADD_FAILURE() << result.error().describe();
    return result;
  }

  void provision_tables() {
    const auto result = run_on(pool_, provision(options_, "1"));
    ASSERT_TRUE(result) << result.error().describe();
  }

  std::unique_ptr<ProductService> connect() {
    auto service = run_on(pool_, ProductService::connect(options_));
    if (!service) ADD_FAILURE() << service.error().describe();
    return service ? std::move(*service) : nullptr;
  }

  Error connect_failure(const Options& options) {
    auto service = run_on(pool_, ProductService::connect(options));
    return service ? Error{ErrorCode::kNotFound, "no failure", ""} : service.error();
  }

  static WriteTime now_us() {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::microseconds>(now).count();
  }

  boost::asio::thread_pool pool_{4};
  Options options_;
  std::unique_ptr<Connection> connection_;
};

}  // namespace dataflow::cassandra
