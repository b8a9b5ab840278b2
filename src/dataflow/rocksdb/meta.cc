#include "dataflow/rocksdb/meta.h"

#include <rocksdb/db.h>

#include "dataflow/rocksdb/status.h"

namespace dataflow::rocksdb {

Result<std::string> read_meta(::rocksdb::DB& db, ::rocksdb::ColumnFamilyHandle* meta,
                              std::string_view path, std::string_view key) {
  std::string value;
  const auto status = db.Get({}, meta, key, &value);
  if (status.IsNotFound()) return std::string();
  if (!status.ok()) return std::unexpected(error_of(status, "reading from", path));
  return value;
}

std::string incarnation_of(std::string_view path, std::string_view identity,
                           std::string_view epoch) {
  std::string incarnation = "rocksdb:";
  incarnation.append(path).append("\n").append(identity).append(".").append(epoch);
  return incarnation;
}

std::unexpected<Error> other_format(std::string_view path, std::string_view format) {
  std::string message = "the embedded database ";
  message.append(path).append(" has format ").append(format);
  message.append(", this version of dataflow reads ").append(kFormat);
  message.append("; remove it and load again, or use the version that made it");
  return fail(ErrorCode::kInvalid, std::move(message));
}

}  // namespace dataflow::rocksdb
