#include "dataflow/cassandra/schema.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace dataflow::cassandra {
namespace {

struct Expected {
  std::string_view name;
  std::string_view type;
};

constexpr std::array<Expected, kColumns> kExpected = {{{"id", "bigint"},
                                                       {"title", "text"},
                                                       {"price", "double"},
                                                       {"category", "text"},
                                                       {"brand", "text"},
                                                       {"url", "text"},
                                                       {"description", "text"}}};

// More than any cluster has; what is above is a slip of the hand.
constexpr unsigned kMaxReplicas = 100;

std::string table(std::string_view keyspace, std::string_view name) {
  return std::string(keyspace) + "." + std::string(name);
}

// "title, price, ...", the key included or not.
std::string column_list(bool with_key) {
  std::string list;
  for (std::size_t i = with_key ? 0 : 1; i < kColumns; ++i) {
    if (!list.empty()) list += ", ";
    list += kExpected[i].name;
  }
  return list;
}

std::string_view trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\n") - first + 1);
}

}  // namespace

Result<void> check_columns(std::string_view keyspace, const std::vector<Column>& columns) {
  const std::string name = table(keyspace, kProductsTable);
  const std::string hint =
      ": change the table, or remove it and create it with scripts/provision.sh";
  for (const Expected& expected : kExpected) {
    const auto found = std::ranges::find(columns, expected.name, &Column::name);
    const bool key = expected.name == kExpected.front().name;
    if (found == columns.end()) {
      return fail(ErrorCode::kInvalid,
                  "the table " + name + " has no column " + std::string(expected.name) + hint);
    }
    if (found->type != expected.type) {
      return fail(ErrorCode::kInvalid, "the column " + found->name + " of " + name + " is " +
                                           found->type + " instead of " +
                                           std::string(expected.type) + hint);
    }
    if (found->key != key) {
      return fail(ErrorCode::kInvalid, "the primary key of " + name + " is not id alone" + hint);
    }
  }
  for (const Column& column : columns) {
    if (std::ranges::count(kExpected, column.name, &Expected::name) == 0) {
      return fail(ErrorCode::kInvalid,
                  "the table " + name + " has a column " + column.name + " too many" + hint);
    }
  }
  return {};
}

Result<std::string> replication_clause(std::string_view replication) {
  const std::string_view text = trim(replication);
  const bool printable = std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~'; });
  if (printable && text.size() > 2 && text.front() == '{' && text.back() == '}') {
    return std::string(text);
  }
  unsigned replicas = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), replicas);
  if (error != std::errc{} || end != text.data() + text.size() || replicas == 0 ||
      replicas > kMaxReplicas) {
    return fail(ErrorCode::kInvalid,
                "the replication is \"" + std::string(text) +
                    "\": give a number of replicas, or a map as CQL writes it, e.g. {'class': "
                    "'NetworkTopologyStrategy', 'dc1': 3}");
  }
  return "{'class': 'NetworkTopologyStrategy', 'replication_factor': " + std::to_string(replicas) +
         "}";
}

std::string create_keyspace(std::string_view keyspace, std::string_view replication) {
  return "CREATE KEYSPACE IF NOT EXISTS " + std::string(keyspace) +
         " WITH replication = " + std::string(replication);
}

std::string create_products(std::string_view keyspace) {
  std::string columns;
  for (const Expected& expected : kExpected) {
    if (!columns.empty()) columns += ", ";
    columns += std::string(expected.name) + " " + std::string(expected.type);
    if (expected.name == kExpected.front().name) columns += " PRIMARY KEY";
  }
  return "CREATE TABLE IF NOT EXISTS " + table(keyspace, kProductsTable) + " (" + columns + ")";
}

std::string create_epochs(std::string_view keyspace) {
  return "CREATE TABLE IF NOT EXISTS " + table(keyspace, kEpochTable) +
         " (name text PRIMARY KEY, epoch text)";
}

std::string insert_product(std::string_view keyspace) {
  std::string marks = "?";
  for (std::size_t i = 1; i < kColumns; ++i) marks += ", ?";
  return "INSERT INTO " + table(keyspace, kProductsTable) + " (" + column_list(true) +
         ") VALUES (" + marks + ")";
}

std::string select_product(std::string_view keyspace) {
  return "SELECT " + column_list(false) + " FROM " + table(keyspace, kProductsTable) +
         " WHERE id = ?";
}

std::string select_products(std::string_view keyspace) {
  return "SELECT " + column_list(true) + " FROM " + table(keyspace, kProductsTable) +
         " WHERE id IN ?";
}

std::string quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') out += c;
    out += c;
  }
  return out + "'";
}

Error with_rights_hint(Error error, std::string_view keyspace) {
  if (error.code == ErrorCode::kUnauthorized) {
    error.message += "; " + provision_hint(keyspace) + ", and grant SELECT and MODIFY on " +
                     table(keyspace, kEpochTable);
  }
  return error;
}

std::string provision_hint(std::string_view keyspace) {
  return "run scripts/provision.sh, which creates the keyspace " + std::string(keyspace) +
         " and its tables";
}

}  // namespace dataflow::cassandra
