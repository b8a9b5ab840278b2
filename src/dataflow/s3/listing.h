// The listings of this folder: the objects of one bucket under a prefix or pattern, and a single
// object. For the .cc files of this folder only.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dataflow/fetch.h"
#include "dataflow/s3/client.h"

namespace dataflow::s3 {

// The objects whose key begins with a prefix and, where there is one, matches a pattern. While a
// page is worked on, the next one is under way. Folder markers (empty, '/' at the end) are no
// objects.
class PrefixListing final : public dataflow::Listing {
 public:
  // An empty pattern matches every key.
  PrefixListing(std::shared_ptr<const Client> client, std::string prefix, std::string pattern);

  Task<Result<std::vector<Object>>> next() override;

  // Makes the next call of next() return these objects.
  void put_back(std::vector<Object> objects) { put_back_ = std::move(objects); }

  // Whether a folder marker was passed over.
  bool saw_marker() const { return saw_marker_; }

 private:
  Task<Result<std::vector<Object>>> read_page();
  Result<std::vector<Object>> to_objects(const clients::Reply& reply);
  Result<void> check_progress(const clients::Reply& reply, const std::string& largest);
  Result<void> check_order(std::vector<Object>& objects);

  const std::shared_ptr<const Client> client_;
  const std::string prefix_;
  const std::string pattern_;
  std::string after_;           // the last key that the server named, in its order
  std::string largest_;         // of all keys, in byte order
  std::string token_;           // where the next page begins, if no key says it
  int pages_without_keys_ = 0;  // in a row
  std::string last_name_;       // the last object that was delivered
  std::optional<PendingReply> page_;
  std::optional<std::vector<Object>> put_back_;
  bool begun_ = false;
  bool saw_marker_ = false;
};

// Exactly one object.
class SingleListing final : public dataflow::Listing {
 public:
  explicit SingleListing(Object object) { objects_.push_back(std::move(object)); }
  Task<Result<std::vector<Object>>> next() override { co_return std::exchange(objects_, {}); }

 private:
  std::vector<Object> objects_;
};

}  // namespace dataflow::s3
