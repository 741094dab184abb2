// Records too large for one, in pieces.
#include "control/record_parts.h"

#include "control/journal_file.h"

namespace shunt::control {

namespace {
// Quotes and backslashes double within a JSON string, and bytes in hex do.
constexpr std::size_t part_bytes_max = record_bytes_max / 4;
}  // namespace

std::vector<Part> parts_of(std::string_view json) {
  std::vector<Part> out((json.size() + part_bytes_max - 1) / part_bytes_max);
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[i].part = static_cast<std::uint32_t>(i);
    out[i].parts = static_cast<std::uint32_t>(out.size());
    out[i].json = json.substr(i * part_bytes_max, part_bytes_max);
  }
  return out;
}

bool PartReader::take(const Part& part, std::string& problem) {
  if (part.part == 0) {
    whole_.clear();
    next_ = 0;
    parts_ = part.parts;
  }
  if (part.part != next_ || part.parts != parts_) {
    problem = "a part that does not follow the one before";
    return false;
  }
  whole_ += part.json;
  return ++next_ == parts_;
}

}  // namespace shunt::control
