// The pipeline's Occurrences for runs that see more products than fit into memory, in a database
// that lives as long as the object: no log of writes, nothing survives. Memory: about 32 MiB
// (kMemoryBytes), whatever the number of products; a product takes about 20 bytes on the disk.
//
// Thread safety, errors: as dataflow::Occurrences.
#pragma once

#include <memory>
#include <string>

#include "dataflow/occurrences.h"

namespace rocksdb {
class DB;
}

namespace dataflow::rocksdb {

class Occurrences : public dataflow::Occurrences {
 public:
  // Makes a folder of its own in `directory` (empty: in TMPDIR, else in /tmp), which is removed at
  // the end. Folders that killed runs have left there are removed as well. kInvalid where
  // `directory` is none.
  static Result<std::unique_ptr<Occurrences>> create(const std::string& directory = {});
  ~Occurrences() override;

  Result<void> get(std::span<const ProductId> ids, std::span<Seen> seen) override;
  Result<void> put(std::span<const ProductId> ids, std::span<const Seen> seen) override;

  const std::string& path() const { return path_; }

 private:
  explicit Occurrences(std::string path);
  Result<void> get_some(std::span<const ProductId> ids, std::span<Seen> seen);

  const std::string path_;
  std::unique_ptr<::rocksdb::DB> db_;
};

}  // namespace dataflow::rocksdb
