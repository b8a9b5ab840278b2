// A pipeline over sources, store and cache in memory, for its tests.
#pragma once

#include <gtest/gtest.h>

#include <boost/asio/this_coro.hpp>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dataflow/mock/memory_cache.h"
#include "dataflow/mock/memory_fetch.h"
#include "dataflow/mock/memory_store.h"
#include "dataflow/mock/temp_dir.h"
#include "dataflow/mock/wait.h"
#include "dataflow/pipeline/pipeline.h"

namespace dataflow::pipeline {

// Everything of a run's ids fits in memory in these tests: a spill would be an error.
inline Result<std::unique_ptr<Occurrences>> no_spill() {
  return fail(ErrorCode::kInternal, "no spill expected");
}

inline Task<Result<Summary>> run_on_executor(Options options, Pipeline::Parts parts) {
  auto executor = co_await boost::asio::this_coro::executor;
  Pipeline pipeline(std::move(options), std::move(parts), executor);
  auto summary = co_await pipeline.run();
  co_return summary;
}

inline std::string line(ProductId id, std::string_view title) {
  return "{\"id\":" + std::to_string(id) + ",\"title\":\"" + std::string(title) + "\"}\n";
}

class PipelineTest : public testing::Test {
 protected:
  void SetUp() override {
    options_.rejects = directory_ / "rejects.jsonl";
    fetch_ = std::make_shared<mock::MemoryFetch>();
  }

  Summary load(std::vector<std::string> sources) {
    Pipeline::Parts parts;
    for (auto& source : sources) parts.sources.push_back({fetch_, std::move(source)});
    parts.store = store_used_;
    parts.cache = cache_used_;
    parts.make_spill = make_spill_;
    parts.warn = [this](std::string_view text) {
      std::lock_guard lock(warnings_mutex_);
      warnings_.emplace_back(text);
    };
    auto summary = mock::wait(run_on_executor(options_, std::move(parts)), threads_);
    if (!summary) {
      ADD_FAILURE() << summary.error().describe();
      return {};
    }
    return std::move(*summary);
  }

  std::string content(const std::string& name) {
    std::ifstream file(name, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  std::map<ProductId, std::string> titles() {
    std::map<ProductId, std::string> result;
    for (const auto& [id, product] : store_.products()) result[id] = product.title;
    return result;
  }

  const mock::TempDir directory_;
  Options options_;
  std::shared_ptr<mock::MemoryFetch> fetch_;
  mock::MemoryStore store_;
  mock::MemoryCache cache_;
  ProductService* store_used_ = &store_;
  Cache* cache_used_ = &cache_;
  Claims::MakeSpill make_spill_ = no_spill;
  std::size_t threads_ = 1;
  std::mutex warnings_mutex_;
  std::vector<std::string> warnings_;
};

using Titles = std::map<ProductId, std::string>;

}  // namespace dataflow::pipeline
