// A reader of bytes in memory, for the tests of what stands on readers.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "dataflow/mock/memory_fetch.h"

namespace dataflow::pipeline {

// Reads `content`, which `fetch` then has under `name`.
inline Task<Result<std::unique_ptr<Reader>>> open_reader(mock::MemoryFetch& fetch, std::string name,
                                                         std::string content) {
  const Object object = fetch.put(std::move(name), std::move(content));
  auto reader = co_await fetch.open(object);
  co_return std::move(reader);
}

}  // namespace dataflow::pipeline
