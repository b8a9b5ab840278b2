// ObjectState: one object of the run, from its listing until its record is made.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "dataflow/cache.h"
#include "dataflow/fetch.h"
#include "dataflow/pipeline/listing.h"
#include "dataflow/pipeline/progress.h"

namespace dataflow::pipeline {

struct ObjectState {
  ObjectState(ListedObject listed_object, std::uint64_t place)
      : listed(std::move(listed_object)), index(place), id(object_id(listed.object.name)) {}

  ListedObject listed;        // changes only between two attempts, while no block is out
  const std::uint64_t index;  // place in the listing, from 1
  const ObjectId id;

  std::atomic<std::uint64_t> attempt{0};
  std::optional<std::string> record_token;  // of Cache::begin_object
  // False once the record must not be made: a rejected line, a row that went to another object.
  std::atomic<bool> complete{true};
  bool read_to_end = false;
  // Rows were left out for want of room, which may belong to objects that are read later: it is to
  // be read once more after those.
  std::atomic<bool> left_out{false};
  bool is_read_again = false;
  std::atomic<std::uint64_t> deferred_rows{0};

  bool recordable() const { return !listed.object.version.empty(); }
  // As long as record_token does not change.
  Making making() const {
    return {id, record_token ? std::string_view(*record_token) : std::string_view()};
  }

  // What this attempt has counted, to be taken back if the object is read again.
  void count(const Counts& counts) {
    std::lock_guard lock(mutex_);
    counts_ += counts;
  }
  Counts take_counts() {
    std::lock_guard lock(mutex_);
    return std::exchange(counts_, Counts{});
  }

 private:
  std::mutex mutex_;
  Counts counts_;
};

}  // namespace dataflow::pipeline
