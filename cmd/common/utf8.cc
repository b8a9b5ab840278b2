#include "cmd/common/utf8.h"

#include <cstddef>
#include <cstdint>

namespace dataflow::cmd {
namespace {

// How many bytes the character has that begins with `lead`, and the least code point that needs so
// many; 0 bytes where none begins so. RFC 3629.
struct Form {
  std::size_t bytes = 0;
  std::uint32_t least = 0;
  std::uint32_t bits = 0;  // of the lead byte
};

Form form_of(unsigned char lead) {
  if (lead < 0x80) return {1, 0, lead};
  if (lead >= 0xC2 && lead < 0xE0) return {2, 0x80, lead & 0x1FU};
  if (lead >= 0xE0 && lead < 0xF0) return {3, 0x800, lead & 0x0FU};
  if (lead >= 0xF0 && lead < 0xF5) return {4, 0x10000, lead & 0x07U};
  return {};
}

}  // namespace

bool is_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const Form form = form_of(static_cast<unsigned char>(text[i]));
    if (form.bytes == 0 || form.bytes > text.size() - i) return false;
    std::uint32_t point = form.bits;
    for (std::size_t k = 1; k < form.bytes; ++k) {
      const auto byte = static_cast<unsigned char>(text[i + k]);
      if ((byte & 0xC0U) != 0x80U) return false;
      point = point << 6U | (byte & 0x3FU);
    }
    const bool is_surrogate = point >= 0xD800 && point <= 0xDFFF;
    if (point < form.least || point > 0x10FFFF || is_surrogate) return false;
    i += form.bytes;
  }
  return true;
}

}  // namespace dataflow::cmd
