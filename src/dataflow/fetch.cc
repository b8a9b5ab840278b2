#include "dataflow/fetch.h"

#include <xxhash.h>

namespace dataflow {

ObjectId object_id(std::string_view name) {
  const ObjectId id = XXH3_64bits(name.data(), name.size());
  return id == kNoObject ? 1 : id;
}

}  // namespace dataflow
