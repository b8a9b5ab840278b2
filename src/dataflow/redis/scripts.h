// The steps that Redis has to take as one, in Lua. Private to the folder.
//
// Sent as text each time: Redis knows a script by its hash after the first time, and the text is
// small beside a block's rows. So there is no state (EVALSHA, NOSCRIPT, SCRIPT FLUSH) to go wrong.
//
// Times are compared as two 32-bit numbers: a Lua number holds 53 bits, and Lua compares strings by
// the server's locale, not by their bytes.
#pragma once

#include <string_view>

namespace dataflow::redis {

// KEYS: pointer, registry. ARGV: a fresh name. Puts the generation in force on record, or makes
// one; retires the table's others. Returns its name, then of each other one "<pointer> <name>" and
// how far its removal has come.
extern const std::string_view kOpenScript;

// KEYS: rows. ARGV: their entries, then the prefix of records, the object being made (8 bytes), and
// what its record is as long as this job makes it. Returns how many rows were refused, and how many
// were absent.
extern const std::string_view kRememberScript;

// KEYS: rows. ARGV: the object being made (8 bytes), the prefix of records, the coming write's time
// (8 bytes), and what the object's record is as long as this job makes it. Returns the newest time
// there was (8 bytes).
extern const std::string_view kForgetScript;

// KEYS: record, pointer. ARGV: name of the generation, token, its three parts, version. Returns 1,
// or 0 where the record may not be made.
extern const std::string_view kEndScript;

// KEYS: registry. ARGV: cursor, pattern, keys a step, member. Returns the next cursor, which it
// keeps in the registry, and "0" at the end; nothing where the server does not allow it.
extern const std::string_view kCleanScript;

}  // namespace dataflow::redis
