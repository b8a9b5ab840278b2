// What is in the database of a folder: looked at before it is opened for writing, because to open
// another program's would already alter it.
#pragma once

#include <string>

#include "dataflow/error.h"

namespace dataflow::rocksdb {

// kInvalid where the folder holds a database that is not ours, or of a version of dataflow with
// other families. One whose making was interrupted is ours: it has some of the families, and not a
// row. Where it cannot be read it is not known to be another's: opening it says why. Writes nothing
// and takes no lock.
Result<void> check_contents(const std::string& path);

}  // namespace dataflow::rocksdb
