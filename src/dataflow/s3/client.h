// The bridge's S3 client for one bucket, and its calls that are begun now and awaited later. For
// the .cc files of this folder only: no type of the bridge leaves it.
//
// Thread safety: a Client may be used from any thread; a PendingReply is awaited by one coroutine.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "clients/call.h"
#include "dataflow/error.h"
#include "dataflow/fetch.h"
#include "dataflow/s3/budget.h"
#include "dataflow/s3/options.h"
#include "dataflow/task.h"

namespace dataflow::s3 {

// A call that is under way. Destroyed before the reply is there, the call finishes and nobody hears
// of it.
class PendingReply {
 public:
  // The lease is given back when nobody needs the reply's bytes any more.
  explicit PendingReply(Budget::Lease lease = {});

  // To be passed to exactly one call.
  std::unique_ptr<clients::Completion> completion();

  // To be awaited once.
  Task<Result<clients::Reply>> get();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

class Client {
 public:
  Client(const Options& options, std::string bucket);

  const std::string& bucket() const { return bucket_; }

  // One page of keys that begin with `prefix` and come after `after`, or from where `token` says,
  // if there is one. The reply: see bridge.rs.
  Result<PendingReply> list(const std::string& prefix, const std::string& after,
                            const std::string& token) const;

  Task<Result<Object>> head(std::string key) const;

  // `length` bytes, at least one.
  Result<PendingReply> get(const std::string& key, std::uint64_t offset, std::uint64_t length,
                           const std::string& etag, Budget::Lease lease) const;

  // The object that three values of a reply (key, ETag, size) stand for.
  Object to_object(clients::Values& values) const;

 private:
  std::string bucket_;
  rust::Box<clients::S3> s3_;
};

}  // namespace dataflow::s3
