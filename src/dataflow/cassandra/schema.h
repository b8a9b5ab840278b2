// The statements this folder uses, and whether the tables it finds are those it expects. No I/O.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "dataflow/error.h"

namespace dataflow::cassandra {

inline constexpr std::string_view kProductsTable = "products";
inline constexpr std::string_view kEpochTable = "cache_epoch";

struct Column {
  std::string name;
  std::string type;  // as CQL writes it
  bool key = false;  // (part of) the partition key

  friend bool operator==(const Column&, const Column&) = default;
};

// Columns of a product, the key first; the order of cells in a row that is saved. A row that is
// read has all but the key.
inline constexpr std::size_t kColumns = 7;

// kInvalid, saying what is missing or wrong and naming scripts/provision.sh, unless `columns` (in
// any order) are exactly those of the table of products.
Result<void> check_columns(std::string_view keyspace, const std::vector<Column>& columns);

// The replication of CREATE KEYSPACE: from a number, so many replicas in each datacenter; from a
// map in braces, the map as it is. kInvalid where it is neither.
Result<std::string> replication_clause(std::string_view replication);

std::string create_keyspace(std::string_view keyspace, std::string_view replication);
std::string create_products(std::string_view keyspace);
std::string create_epochs(std::string_view keyspace);
std::string insert_product(std::string_view keyspace);
std::string select_product(std::string_view keyspace);
// Of several ids: the id before the cells that select_product() has.
std::string select_products(std::string_view keyspace);

// A text as a statement has it, in quotes.
std::string quoted(std::string_view text);

// The error of a statement on the table of epochs; where it is kUnauthorized, with what to grant.
Error with_rights_hint(Error error, std::string_view keyspace);

// What to do where keyspace or table are missing or cannot be made; ends a message.
std::string provision_hint(std::string_view keyspace);

}  // namespace dataflow::cassandra
