#include "dataflow/file/fetch_service.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "dataflow/file/path.h"
#include "dataflow/file/reader.h"
#include "dataflow/file/sources.h"
#include "dataflow/file/threads.h"

namespace dataflow::file {

namespace {

using ListingResult = Result<std::unique_ptr<dataflow::Listing>>;
using ReaderResult = Result<std::unique_ptr<dataflow::Reader>>;

// Everything in one page: a folder is looked at once, so that the listing is of one moment.
class WholeListing final : public dataflow::Listing {
 public:
  explicit WholeListing(std::vector<Object> objects) : objects_(std::move(objects)) {}
  Task<Result<std::vector<Object>>> next() override { co_return std::exchange(objects_, {}); }

 private:
  std::vector<Object> objects_;
};

Task<ListingResult> list_source(std::shared_ptr<Threads> threads, std::string source) {
  auto call = [&source] { return objects_of(source); };
  auto objects = co_await run_on<std::vector<Object>>(threads->pool, call);
  if (!objects) co_return std::unexpected(std::move(objects.error()));
  co_return ListingResult(std::make_unique<WholeListing>(*std::move(objects)));
}

Task<Result<Object>> stat_path(std::shared_ptr<Threads> threads, std::string path) {
  auto call = [&path] { return object_at(path); };
  auto object = co_await run_on<Object>(threads->pool, call);
  co_return std::move(object);
}

Task<ReaderResult> open_reader(std::shared_ptr<Threads> threads, Object object) {
  auto call = [&object] { return open_object(object); };
  auto opened = co_await run_on<OpenObject>(threads->pool, call);
  if (!opened) co_return std::unexpected(std::move(opened.error()));
  if (opened->object.size) {
    co_return ReaderResult(std::make_unique<FileReader>(std::move(threads), *std::move(opened)));
  }
  co_return ReaderResult(std::make_unique<StreamReader>(std::move(threads), *std::move(opened)));
}

}  // namespace

FetchService::FetchService(Options options)
    : threads_(std::make_shared<Threads>(std::max<std::size_t>(options.io_threads, 1))) {}

FetchService::~FetchService() { ::eventfd_write(threads_->stop.number(), 1); }

// What the caller gives by reference is copied before the tasks begin.
Task<ListingResult> FetchService::list(std::string_view source) {
  return list_source(threads_, std::string(source));
}

Task<Result<Object>> FetchService::stat(std::string_view name) {
  return stat_path(threads_, std::string(name));
}

Task<ReaderResult> FetchService::open(const Object& object) {
  return open_reader(threads_, object);
}

}  // namespace dataflow::file
