#include "dataflow/s3/pattern.h"

#include <algorithm>
#include <bitset>
#include <cctype>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace dataflow::s3 {

namespace {

using Characters = std::bitset<256>;

std::size_t index_of(char c) { return static_cast<unsigned char>(c); }

Characters every_character() { return Characters().set().reset(index_of('/')); }

// The characters of a class like "digit"; nothing where there is no such class.
std::optional<Characters> class_of(std::string_view name) {
  struct Class {
    std::string_view name;
    int (*holds)(int);
  };
  constexpr Class kClasses[] = {
      {"alnum", std::isalnum}, {"alpha", std::isalpha}, {"blank", std::isblank},
      {"cntrl", std::iscntrl}, {"digit", std::isdigit}, {"graph", std::isgraph},
      {"lower", std::islower}, {"print", std::isprint}, {"punct", std::ispunct},
      {"space", std::isspace}, {"upper", std::isupper}, {"xdigit", std::isxdigit}};
  const auto* const found = std::ranges::find(kClasses, name, &Class::name);
  if (found == std::end(kClasses)) return std::nullopt;
  Characters characters;
  for (int c = 0; c < 128; ++c) characters[static_cast<std::size_t>(c)] = found->holds(c) != 0;
  return characters;
}

// One step through a key.
struct Step {
  enum class Kind {
    kOne,         // one of `characters`
    kStar,        // any text without '/'
    kDoubleStar,  // any text
    kFolders,     // no text, or any that ends in '/'
  };
  Kind kind = Kind::kOne;
  Characters characters;
};

// Reads a pattern step by step.
class PatternReader {
 public:
  explicit PatternReader(std::string_view pattern) : pattern_(pattern) {}

  // Nothing at the end.
  std::optional<Step> next() {
    if (at_ == pattern_.size()) return std::nullopt;
    const char c = pattern_[at_++];
    if (c == '*') return star();
    if (c == '?') return Step{Step::Kind::kOne, every_character()};
    if (c == '[') {
      if (auto set = bracket()) return Step{Step::Kind::kOne, *set};
    }
    return Step{Step::Kind::kOne, one(c)};
  }

 private:
  // The character after a backslash means itself; a backslash at the end means nothing.
  Characters one(char c) {
    if (c != '\\') return Characters().set(index_of(c));
    return at_ < pattern_.size() ? Characters().set(index_of(pattern_[at_++])) : Characters();
  }

  Step star() {
    const std::size_t begin = at_ - 1;
    while (at_ < pattern_.size() && pattern_[at_] == '*') ++at_;
    if (at_ - begin == 1) return {Step::Kind::kStar, {}};
    // "a/**/b" matches "a/b" too: the slash belongs to the folders that "**" stands for.
    const bool whole =
        (begin == 0 || pattern_[begin - 1] == '/') && at_ < pattern_.size() && pattern_[at_] == '/';
    if (!whole) return {Step::Kind::kDoubleStar, {}};
    ++at_;
    return {Step::Kind::kFolders, {}};
  }

  // "[:digit:]", at its second character; nothing (and nothing read) where it is none.
  std::optional<Characters> named_class() {
    constexpr std::string_view kEnd = ":]";
    const std::size_t end = pattern_.find(kEnd, at_ + 1);
    if (end == std::string_view::npos) return std::nullopt;
    const auto characters = class_of(pattern_.substr(at_ + 1, end - at_ - 1));
    if (characters) at_ = end + kEnd.size();
    return characters;
  }

  // One character of a bracket, of which there is at least one.
  char element() {
    const char c = pattern_[at_++];
    return c == '\\' && at_ < pattern_.size() ? pattern_[at_++] : c;
  }

  // What stands behind '['. Nothing (and nothing read) where there is no ']'.
  std::optional<Characters> bracket() {
    const std::size_t begin = at_;
    const bool none_of = at_ < pattern_.size() && (pattern_[at_] == '!' || pattern_[at_] == '^');
    if (none_of) ++at_;
    Characters characters;
    for (bool first = true; at_ < pattern_.size(); first = false) {
      if (pattern_[at_] == ']' && !first) {
        ++at_;
        return (none_of ? ~characters : characters).reset(index_of('/'));
      }
      if (pattern_[at_] == '[' && at_ + 1 < pattern_.size() && pattern_[at_ + 1] == ':') {
        ++at_;
        if (const auto named = named_class()) {
          characters |= *named;
          continue;
        }
        --at_;
      }
      const std::size_t from = index_of(element());
      const bool range =
          at_ + 1 < pattern_.size() && pattern_[at_] == '-' && pattern_[at_ + 1] != ']';
      if (range) ++at_;
      const std::size_t to = range ? index_of(element()) : from;
      for (std::size_t c = from; c <= to; ++c) characters.set(c);
    }
    at_ = begin;
    return std::nullopt;
  }

  const std::string_view pattern_;
  std::size_t at_ = 0;
};

// Where in the key the pattern so far may end: a flag for each place, the key's end included.
using Places = std::vector<char>;

Places after(const Step& step, const Places& before, std::string_view key) {
  Places places(before.size(), 0);
  bool reached = false;  // an earlier place, that this step may begin at and go on from
  for (std::size_t at = 0; at < before.size(); ++at) {
    const bool behind_slash = at > 0 && key[at - 1] == '/';
    const bool begins = before[at] != 0;
    switch (step.kind) {
      case Step::Kind::kOne:
        places[at] = at > 0 && before[at - 1] != 0 && step.characters[index_of(key[at - 1])];
        break;
      case Step::Kind::kStar:
        reached = begins || (reached && !behind_slash);
        places[at] = reached;
        break;
      case Step::Kind::kDoubleStar:
        reached = begins || reached;
        places[at] = reached;
        break;
      case Step::Kind::kFolders:
        places[at] = begins || (reached && behind_slash);
        reached = begins || reached;
        break;
    }
  }
  return places;
}

}  // namespace

bool is_pattern(std::string_view key) { return key.find_first_of("*?[") != std::string_view::npos; }

std::string_view literal_prefix(std::string_view pattern) {
  return pattern.substr(0, pattern.find_first_of("*?[\\"));
}

bool matches(std::string_view pattern, std::string_view key) {
  Places places(key.size() + 1, 0);
  places[0] = 1;
  PatternReader reader(pattern);
  while (const auto step = reader.next()) {
    places = after(*step, places, key);
    if (std::ranges::find(places, 1) == places.end()) return false;
  }
  return places.back() != 0;
}

}  // namespace dataflow::s3
