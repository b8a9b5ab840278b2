// Epoch: what proves that the table was not emptied since a cache was filled. No I/O.
//
// Every node keeps, by its own clock, when it truncated a table. The newest of these times over the
// nodes that answer will not do as a proof: it changes when the node that has it is down, and
// changes back when that node returns, and a cache of before would be trusted again although rows
// were written meanwhile that it was not told of. So what was seen is kept in the store (the table
// cache_epoch, a row for each table id) beside a token that is never used twice:
// - A truncation needs every node. So as long as one node of the record answers and all that do say
// what is
//   recorded of them, there was none, whatever the others would say.
// - When a node says something else than recorded, or none of the record answers, the token
// changes.
// - No record and no truncation known to any node that answers: the table was never truncated.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dataflow/error.h"

namespace dataflow::cassandra {

// When a node truncated the table, in milliseconds since the Unix epoch by its clock;
// kNeverTruncated.
using TruncationTime = std::int64_t;
inline constexpr TruncationTime kNeverTruncated = 0;

// By host id, 32 hexadecimal digits.
using Truncations = std::map<std::string, TruncationTime>;

struct Epoch {
  // "<table>/<caches>": the first part changes with the table, the second by disowned() and
  // trusting(). A token without a second part is a first one.
  std::string token;
  // The cache that is told of what is written, as 32 hexadecimal digits (cache_name()); empty:
  // none.
  std::string trusted;
  Truncations nodes;

  friend bool operator==(const Epoch&, const Epoch&) = default;
};

// An epoch as the text kept in the store, and back. A text that is not one of ours is a token
// without nodes, and so gives way to a new one.
std::string to_text(const Epoch& epoch);
Epoch parse_epoch(std::string_view text);

// What has to be kept after `answers` were seen, where `known` is kept: equal to `known` where
// nothing has happened. A changed token is `fresh`.
std::optional<Epoch> advance(const std::optional<Epoch>& known, const Truncations& answers,
                             std::string_view fresh);

// What the parts of a token become where they change.
struct Fresh {
  std::string_view table;
  std::string_view caches;
};

// The table's part after a change: of what was kept and what is seen, so that all who see the same
// agree, noted or not. Never one of before: it is made of all the parts that there were.
std::string changed_token(std::string_view table_id, const std::optional<Epoch>& known,
                          const Truncations& answers);

// What has to be kept when every cache filled so far is to be distrusted: `advance`, and a new
// second part of the token.
Epoch disowned(const std::optional<Epoch>& known, const Truncations& answers, Fresh fresh);

// What has to be kept when `cache` (cache_name()) is the one to be told of what is written:
// `advance` where it was, else what `disowned` says, with this cache.
Epoch trusting(const std::optional<Epoch>& known, const Truncations& answers, Fresh fresh,
               std::string_view cache);

// 32 hexadecimal digits that stand for an identity (Cache::identity).
std::string cache_name(std::string_view identity);

// The parts of the token; "none" where there is no epoch, or no second part.
std::string_view table_part(const std::optional<Epoch>& epoch);
std::string_view caches_part(const std::optional<Epoch>& epoch);

// The time in system.local.truncated_at (map<uuid, blob>: commit log position, then 8 bytes of
// milliseconds; cassandra SystemKeyspace.truncationAsMapEntry) for this table id (16 bytes).
// kInternal where the bytes are no such map.
Result<TruncationTime> truncation_time(std::string_view map, std::string_view table_id);

// A CQL timestamp (8 bytes of milliseconds); kNeverTruncated where there is none.
TruncationTime timestamp_of(std::string_view bytes);

// 32 hexadecimal digits that nobody has used before.
std::string fresh_token();

std::string hexadecimal(std::string_view bytes);

}  // namespace dataflow::cassandra
