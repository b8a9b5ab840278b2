// Sources: what a run is told to load, as one listing.
//
// The listings of all sources are merged: names in byte order, standard input last, a name that
// several sources give only once. Which file is listed last, and so wins, does not depend on the
// order of the arguments.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "dataflow/error.h"
#include "dataflow/fetch.h"

namespace dataflow::pipeline {

struct Source {
  std::shared_ptr<Fetch> fetch;
  std::string name;  // what Fetch::list takes
};

struct ListedObject {
  Object object;
  std::shared_ptr<Fetch> fetch;
};

class MergedListing {
 public:
  explicit MergedListing(std::vector<Source> sources) : sources_(std::move(sources)) {}

  // Begins the listing of every source: an error of the first one that cannot be listed.
  Task<Result<void>> open();

  // The next objects, at most kPageObjects; empty at the end.
  Task<Result<std::vector<ListedObject>>> next();

  static constexpr std::size_t kPageObjects = 1000;

 private:
  struct Stream {
    std::shared_ptr<Fetch> fetch;
    std::unique_ptr<Listing> listing;
    std::deque<Object> page;
    bool ended = false;
  };
  Task<Result<void>> refill(Stream& stream);

  std::vector<Source> sources_;
  std::vector<Stream> streams_;
  std::string last_;  // the name given last
  bool any_ = false;
};

}  // namespace dataflow::pipeline
