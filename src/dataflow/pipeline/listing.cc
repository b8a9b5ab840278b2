#include "dataflow/pipeline/listing.h"

#include <utility>

namespace dataflow::pipeline {

namespace {

// Names in byte order, standard input behind all of them.
bool before(const std::string& a, const std::string& b) {
  const bool a_is_stdin = a == "-";
  const bool b_is_stdin = b == "-";
  if (a_is_stdin != b_is_stdin) return b_is_stdin;
  return a < b;
}

}  // namespace

Task<Result<void>> MergedListing::open() {
  for (Source& source : sources_) {
    auto listing = co_await source.fetch->list(source.name);
    if (!listing) co_return std::unexpected(std::move(listing.error()));
    streams_.push_back({source.fetch, std::move(*listing), {}, false});
  }
  co_return Result<void>();
}

Task<Result<void>> MergedListing::refill(Stream& stream) {
  if (stream.ended || !stream.page.empty()) co_return Result<void>();
  auto page = co_await stream.listing->next();
  if (!page) co_return std::unexpected(std::move(page.error()));
  stream.ended = page->empty();
  for (Object& object : *page) stream.page.push_back(std::move(object));
  co_return Result<void>();
}

Task<Result<std::vector<ListedObject>>> MergedListing::next() {
  std::vector<ListedObject> out;
  while (out.size() < kPageObjects) {
    Stream* first = nullptr;
    for (Stream& stream : streams_) {
      auto refilled = co_await refill(stream);
      if (!refilled) co_return std::unexpected(std::move(refilled.error()));
      if (stream.page.empty()) continue;
      if (first == nullptr || before(stream.page.front().name, first->page.front().name)) {
        first = &stream;
      }
    }
    if (first == nullptr) break;
    Object object = std::move(first->page.front());
    first->page.pop_front();
    if (any_ && object.name == last_) continue;
    any_ = true;
    last_ = object.name;
    out.push_back({std::move(object), first->fetch});
  }
  co_return out;
}

}  // namespace dataflow::pipeline
