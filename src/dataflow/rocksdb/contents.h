// What is in the database of a folder: looked at before it is opened for writing, because to open
// another program's would already alter it.
#pragma once

#include <string>

#include "dataflow/error.h"

namespace dataflow::rocksdb {

enum class Contents {
  kDatabase,  // with all families; or it cannot be read, and opening it says why
  kNothing,   // no database yet, or one whose making was interrupted: not all families, and no row
};

// kInvalid where the folder holds a database that is not ours, or of a version of dataflow with
// other families. Writes nothing and takes no lock.
Result<Contents> contents_of(const std::string& path);

}  // namespace dataflow::rocksdb
