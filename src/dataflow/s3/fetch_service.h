// FetchService: the objects of S3 and of stores that speak its protocol.
//
// Sources, "s3://bucket" followed by
// - nothing or "/": every object of the bucket, which may have none;
// - "/prefix": the object with exactly this key alone where there is one, so that
//   "s3://b/products-1.jsonl" does not load "products-1.jsonl.bak", else every object whose key
//   begins with it. With a "/" at the end it is always a prefix. A folder that has nothing but
//   its marker (an empty object with "/" at the end, which is never an object here) is an empty
//   listing;
// - "/pattern": a key with *, ? or [ (see pattern.h). A key that is literally there wins, and with
// a
//   "/" at the end a folder that is.
//
// An object's version is its ETag and size; empty where the store gives no (strong) ETag. Keys
// may have every character; a key with a part "." or ".." cannot be asked for over HTTP and is
// kInvalid when it is opened. Errors name the object, the bucket or the variable to set. Beyond
// the domain's: kUnauthorized within seconds where no credentials are found; kUnavailable after
// the retries of Options.
//
// Opening an object asks for its first ranges at once, so that a version that is gone is found
// there. One client for each bucket is made when it is first needed; listings and readers share
// it and may outlive the service. Needs the clients' runtime (which starts by itself, with one
// thread).
#pragma once

#include <memory>

#include "dataflow/fetch.h"
#include "dataflow/s3/options.h"

namespace dataflow::s3 {

class FetchService final : public dataflow::Fetch {
 public:
  explicit FetchService(Options options = {});
  ~FetchService() override;

  Task<Result<std::unique_ptr<dataflow::Listing>>> list(std::string_view source) override;
  Task<Result<Object>> stat(std::string_view name) override;
  Task<Result<std::unique_ptr<dataflow::Reader>>> open(const Object& object) override;

  // Bytes that readers hold or have asked for.
  std::size_t buffered_bytes() const;

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;
};

}  // namespace dataflow::s3
