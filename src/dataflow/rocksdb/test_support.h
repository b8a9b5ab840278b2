// What the tests of this folder share: products that can be recognised, and another process that
// uses the database (test_peer.cc), driven line by line.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "dataflow/mock/temp_dir.h"
#include "dataflow/product.h"

namespace dataflow::rocksdb::testing {

using mock::TempDir;

// Product `id` in its `version`: everything follows from the two, about 300 bytes.
Product product_of(ProductId id, int version);
// The version of a product made by product_of; nullopt where it is not what that makes.
std::optional<int> version_of(const Product& product);

// Asks until the answer is yes; false after a time that is too long on the slowest machine.
bool eventually(const std::function<bool()>& done);

// Another process. It is killed when the object goes, if it is still there.
class Peer {
 public:
  explicit Peer(std::vector<std::string> arguments = {});
  ~Peer();
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  pid_t pid() const { return pid_; }
  void send(const std::string& command);
  // The next line it says; empty when it said its last.
  std::string receive();
  // Both. What it answers begins with "ok" or "error".
  std::string ask(const std::string& command);
  // Ends it without warning.
  void kill();

 private:
  pid_t pid_ = -1;
  int to_ = -1;
  int from_ = -1;
  std::string buffer_;
};

}  // namespace dataflow::rocksdb::testing
