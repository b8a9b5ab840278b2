// How the cache lies in Redis. Private to the folder; pure functions.
//
// - dataflow:cache:<hash>, the pointer: the name of the generation in force, of one incarnation,
//   one format and one run of the server. It is the witness as well: who works with another name
//   than this works on a cache that was emptied.
// - dataflow:caches:<hash>, the registry: a hash with "<pointer> <name>" of every generation of one
//   table, and how far the removal of the retired ones has come (a cursor of SCAN).
// - dataflow:<name>:<id>: a row, kEntryBytes bytes.
// - dataflow:<name>:o<hexadecimal digits>: an object's record, "open:..." or "done:...".
//
// A name is drawn at random when there is none. So what is written under the name of an emptied
// cache, a moment after it was emptied, cannot be seen by those who opened it since.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "dataflow/cache.h"
#include "dataflow/fetch.h"

namespace dataflow::redis {

// To be raised when the layout of entries or records changes, and when lines are mapped to rows, or
// rows to fingerprints, in another way: entries of before are then invisible. Not needed where the
// old form of a record matches nothing: its object is read once more.
inline constexpr std::string_view kFormatVersion = "1";

// Big endian: write time 8, owner 8, fingerprint 16; flags 1.
inline constexpr std::size_t kEntryBytes = 33;

void encode(const CacheEntry& entry, std::span<char> bytes);
// Absent where the bytes are no entry.
CacheEntry decode(std::string_view bytes);
// A write time alone, as forget's script returns it.
std::optional<WriteTime> decode_time(std::string_view bytes);

std::string pointer_key(std::string_view incarnation, std::string_view run_id);
// Of the table: what stands before the first newline of the incarnation.
std::string registry_key(std::string_view incarnation);
std::string row_prefix(std::string_view name);     // + decimal id
std::string record_prefix(std::string_view name);  // + 16 hexadecimal digits
std::string record_key(std::string_view name, ObjectId object);

// Random: the name of a generation (64 bits), and what tells one begin_object from another.
std::string random_name();
bool is_name(std::string_view text);

// Counters of the server, from INFO stats.
struct Statistics {
  std::uint64_t evicted_keys = 0;
  std::uint64_t input_bytes =
      0;  // grows with every command; smaller than before: counters were reset

  // Whether no key was evicted between `before` and these, as far as counters can show it that may
  // have been reset meanwhile (see objects.cc).
  bool quiet_since(const Statistics& before) const {
    return evicted_keys == before.evicted_keys && input_bytes >= before.input_bytes;
  }
  friend bool operator==(const Statistics&, const Statistics&) = default;
};

// A field of INFO's text; empty where there is none.
std::string_view info_field(std::string_view info, std::string_view name);
std::optional<Statistics> parse_statistics(std::string_view info);

// A token of begin_object, "<name>:<evicted keys>:<input bytes>", and the number of its parts.
std::string make_token(const Statistics& statistics);
struct Token {
  std::string_view name;
  std::string_view evicted_keys;
  std::string_view input_bytes;
};
std::optional<Token> parse_token(std::string_view token);

// What a record is of: "<size>:<version>", "-" for a size that is not known.
std::string version_of(const Object& object);

// A record in the making: "open:<token>". A made one: "done:<token>:<version_of>", the numbers of
// the token being those of the end.
std::string open_record(std::string_view token);
struct Record {
  Statistics statistics;
  std::string_view version;  // version_of
};
std::optional<Record> parse_done_record(std::string_view value);

}  // namespace dataflow::redis
