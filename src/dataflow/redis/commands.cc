#include "dataflow/redis/commands.h"

#include <array>
#include <charconv>

namespace dataflow::redis {
namespace {

// Decimal digits of any 64-bit number and its sign.
using Digits = std::array<char, 20>;

std::string_view decimal(Digits& digits, auto number) {
  const auto [end, error] = std::to_chars(digits.data(), digits.data() + digits.size(), number);
  static_cast<void>(error);  // there is always room
  return {digits.data(), end};
}

}  // namespace

void Commands::reserve(std::size_t arguments, std::size_t bytes) {
  lengths_.reserve(lengths_.size() + arguments);
  bytes_.reserve(bytes_.size() + bytes);
}

Commands& Commands::command(std::string_view name) {
  arguments_.push_back(0);
  return add(name);
}

Commands& Commands::ended(std::size_t size_before) {
  lengths_.push_back(static_cast<std::uint32_t>(bytes_.size() - size_before));
  ++arguments_.back();
  return *this;
}

Commands& Commands::add(std::string_view argument) {
  const std::size_t before = bytes_.size();
  bytes_.append(argument);
  return ended(before);
}

Commands& Commands::add(std::size_t number) {
  Digits digits;
  return add(decimal(digits, number));
}

Commands& Commands::add_row(std::string_view prefix, ProductId id) {
  const std::size_t before = bytes_.size();
  Digits digits;
  bytes_.append(prefix).append(decimal(digits, id));
  return ended(before);
}

std::span<char> Commands::add_space(std::size_t size) {
  const std::size_t before = bytes_.size();
  bytes_.resize(before + size);
  ended(before);
  return {bytes_.data() + before, size};
}

std::span<const std::uint8_t> Commands::bytes() const {
  return {reinterpret_cast<const std::uint8_t*>(bytes_.data()), bytes_.size()};
}

}  // namespace dataflow::redis
