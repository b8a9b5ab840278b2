// A Fetch, a Listing and a Reader that do what a test says: one function a method (see method.h).
#pragma once

#include "dataflow/fetch.h"
#include "dataflow/mock/method.h"

namespace dataflow::mock {

class Listing : public dataflow::Listing {
 public:
  Method<Result<std::vector<Object>>()> next_fn{"Listing::next"};

  Task<Result<std::vector<Object>>> next() override { return next_fn(); }
};

class Reader : public dataflow::Reader {
 public:
  Method<Result<std::size_t>(std::span<char>)> read_fn{"Reader::read"};

  Task<Result<std::size_t>> read(std::span<char> buffer) override { return read_fn(buffer); }
};

class Fetch : public dataflow::Fetch {
 public:
  // No function anywhere: every call is an error until the test gives it one.
  Fetch() = default;
  // Every method goes to `inner`, which must live as long; the test replaces what it wants
  // otherwise.
  explicit Fetch(dataflow::Fetch& inner);

  Method<Result<std::unique_ptr<dataflow::Listing>>(std::string_view)> list_fn{"Fetch::list"};
  Method<Result<Object>(std::string_view)> stat_fn{"Fetch::stat"};
  Method<Result<std::unique_ptr<dataflow::Reader>>(const Object&)> open_fn{"Fetch::open"};

  Task<Result<std::unique_ptr<dataflow::Listing>>> list(std::string_view source) override {
    return list_fn(source);
  }
  Task<Result<Object>> stat(std::string_view name) override { return stat_fn(name); }
  Task<Result<std::unique_ptr<dataflow::Reader>>> open(const Object& object) override {
    return open_fn(object);
  }
};

}  // namespace dataflow::mock
