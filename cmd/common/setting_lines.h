// How a line of the table of settings is made: from a member of a section to a Setting. For
// settings.cc only.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cmd/common/settings.h"

namespace dataflow::cmd {

// Where each section lives in a Config. Touching an optional one makes it present.
template <class S>
struct SectionOf;
template <>
struct SectionOf<CassandraConfig> {
  static constexpr std::string_view kName = "cassandra";
  static CassandraConfig& in(Config& c) {
    return c.cassandra ? *c.cassandra : c.cassandra.emplace();
  }
};
template <>
struct SectionOf<RedisConfig> {
  static constexpr std::string_view kName = "redis";
  static RedisConfig& in(Config& c) { return c.redis ? *c.redis : c.redis.emplace(); }
};
template <>
struct SectionOf<RocksdbConfig> {
  static constexpr std::string_view kName = "rocksdb";
  static RocksdbConfig& in(Config& c) { return c.rocksdb; }
};
template <>
struct SectionOf<S3Config> {
  static constexpr std::string_view kName = "s3";
  static S3Config& in(Config& c) { return c.s3; }
};
template <>
struct SectionOf<HttpConfig> {
  static constexpr std::string_view kName = "http";
  static HttpConfig& in(Config& c) { return c.http; }
};
template <>
struct SectionOf<PipelineConfig> {
  static constexpr std::string_view kName = "pipeline";
  static PipelineConfig& in(Config& c) { return c.pipeline; }
};

inline std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return out;
}

inline std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

inline std::string shown(const std::string& value) { return quoted(value); }
template <std::unsigned_integral T>
std::string shown(T value) {
  if constexpr (std::same_as<T, bool>) {
    return value ? "true" : "false";
  } else {
    return std::to_string(value);
  }
}
inline std::string shown(const std::vector<std::string>& values) {
  if (values.size() == 1) return quoted(values.front());
  std::string out = "[";
  for (const auto& value : values) out += (out.size() > 1 ? ", " : "") + quoted(value);
  return out + "]";
}

// What text settings and the elements of lists have to look like.
using Check = bool (*)(std::string_view);

inline bool is_anything(std::string_view) { return true; }

// A Setting under construction; the table then reads as a table.
struct Line : Setting {
  Line&& secret() && {
    is_secret = true;
    return std::move(*this);
  }
  Line&& example() && {
    in_example = true;
    return std::move(*this);
  }
  // As people write it in capitals as well.
  Line&& lower_case() && {
    set = [inner = std::move(set)](Config& config, const Value& value) {
      const auto* given = std::get_if<std::string>(&value);
      return given != nullptr && inner(config, lower(*given));
    };
    return std::move(*this);
  }
  Line&& also(std::vector<std::string_view> variables) && {
    other_variables = std::move(variables);
    return std::move(*this);
  }
};

template <class S, class T>
Line line(T S::* member, std::string_view key, Kind kind, std::string expected,
          std::string_view doc) {
  Line made;
  made.section = SectionOf<S>::kName;
  made.key = key;
  made.kind = kind;
  made.expected = std::move(expected);
  made.doc = doc;
  made.show = [member](const Config& config) {
    Config copy = config;
    return shown(SectionOf<S>::in(copy).*member);
  };
  return made;
}

template <class S>
Line text(std::string S::* member, std::string_view key, std::string_view doc,
          Check check = is_anything, std::string expected = "text") {
  Line made = line(member, key, Kind::kText, std::move(expected), doc);
  made.set = [member, check](Config& config, const Value& value) {
    const auto* given = std::get_if<std::string>(&value);
    if (given == nullptr || !check(*given)) return false;
    SectionOf<S>::in(config).*member = *given;
    return true;
  };
  return made;
}

template <class S>
Line list(std::vector<std::string> S::* member, std::string_view key, std::string_view doc,
          Check check, std::string expected) {
  Line made = line(member, key, Kind::kTextList, std::move(expected), doc);
  made.set = [member, check](Config& config, const Value& value) {
    const auto* given = std::get_if<std::vector<std::string>>(&value);
    if (given == nullptr || given->empty() || !std::ranges::all_of(*given, check)) return false;
    SectionOf<S>::in(config).*member = *given;
    return true;
  };
  return made;
}

template <class S, std::unsigned_integral T>
Line number(T S::* member, std::string_view key, std::int64_t least, std::int64_t most,
            std::string_view doc) {
  std::string expected =
      "a whole number from " + std::to_string(least) + " to " + std::to_string(most);
  Line made = line(member, key, Kind::kNumber, std::move(expected), doc);
  made.set = [member, least, most](Config& config, const Value& value) {
    const auto* given = std::get_if<std::int64_t>(&value);
    if (given == nullptr || *given < least || *given > most) return false;
    SectionOf<S>::in(config).*member = static_cast<T>(*given);
    return true;
  };
  return made;
}

template <class S>
Line yes_or_no(bool S::* member, std::string_view key, std::string_view doc) {
  Line made = line(member, key, Kind::kBool, "true or false", doc);
  made.set = [member](Config& config, const Value& value) {
    const auto* given = std::get_if<bool>(&value);
    if (given == nullptr) return false;
    SectionOf<S>::in(config).*member = *given;
    return true;
  };
  return made;
}

template <class S>
Section section(std::string_view doc) {
  return {SectionOf<S>::kName, doc, [](Config& config) { SectionOf<S>::in(config); }};
}

}  // namespace dataflow::cmd
