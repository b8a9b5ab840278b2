#include "dataflow/rocksdb/contents.h"

#include <rocksdb/db.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <vector>

#include "dataflow/rocksdb/meta.h"
#include "dataflow/rocksdb/tuning.h"

namespace dataflow::rocksdb {
namespace {

std::unexpected<Error> not_ours(const std::string& path, std::string cause) {
  return fail(ErrorCode::kInvalid,
              "the folder " + path +
                  " holds a database of another program, or of another version of dataflow; name "
                  "another path",
              std::move(cause));
}

bool is_ours(const std::string& name) {
  return std::ranges::find(kFamilyNames, name) != std::end(kFamilyNames);
}

// The family of these that has a row, where nothing says that they are ours. Empty where there is
// none.
std::string family_with_rows(const std::string& path, const std::vector<std::string>& names) {
  std::vector<::rocksdb::ColumnFamilyDescriptor> families;
  for (const std::string& name : names)
    families.emplace_back(name, ::rocksdb::ColumnFamilyOptions());
  std::vector<::rocksdb::ColumnFamilyHandle*> handles;
  ::rocksdb::DB* opened = nullptr;
  const auto status =
      ::rocksdb::DB::OpenForReadOnly(reader_options(), path, families, &handles, &opened);
  const std::unique_ptr<::rocksdb::DB> db(opened);
  if (!status.ok()) return {};
  std::string with_rows;
  bool has_format = false;
  for (auto* handle : handles) {
    const std::unique_ptr<::rocksdb::Iterator> row(db->NewIterator({}, handle));
    row->SeekToFirst();
    // What cannot be read without its program's merge operator is a row as well.
    if (row->Valid() || !row->status().ok()) with_rows = handle->GetName();
    std::string format;
    has_format = has_format || (handle->GetName() == kFamilyNames[0] &&
                                db->Get({}, handle, kFormatKey, &format).ok());
  }
  for (auto* handle : handles) (void)db->DestroyColumnFamilyHandle(handle);
  // Its making went on meanwhile: the format is written when all families are there.
  return has_format ? std::string() : with_rows;
}

}  // namespace

Result<Contents> contents_of(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::exists(path + "/CURRENT", error)) return Contents::kNothing;
  std::vector<std::string> names;
  const auto status = ::rocksdb::DB::ListColumnFamilies(reader_options(), path, &names);
  if (!status.ok()) return Contents::kDatabase;
  const auto foreign = std::ranges::find_if_not(names, is_ours);
  if (foreign != names.end()) return not_ours(path, "it has a family " + *foreign);
  if (names.size() == kFamilies) return Contents::kDatabase;
  const std::string with_rows = family_with_rows(path, names);
  if (!with_rows.empty()) return not_ours(path, "rows of no format in its family " + with_rows);
  return Contents::kNothing;
}

}  // namespace dataflow::rocksdb
