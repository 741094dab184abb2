// Own requests and answers: what can be read can be looked at, written, and read again the same.
#include "proxy/wire/value.h"

#include <algorithm>

#include "tests/fuzz/allocation.h"
#include "tests/fuzz/target.h"

using namespace shunt::wire;

namespace {

std::size_t look_at(std::span<const Field> fields, const Value& v);

std::size_t look_at(const Field& f, const Value& v) {
  std::size_t seen = v.text().size() + v.bytes().size();
  if (f.type == Type::structure && v.is_struct()) seen += look_at(fields_of(f), v);
  for (const Value& e : v.array()) {
    seen += e.text().size() + e.bytes().size();
    if (e.is_struct()) seen += look_at(fields_of(f), e);
  }
  return seen;
}

std::size_t look_at(std::span<const Field> fields, const Value& v) {
  std::size_t seen = v["_unknown"].array().size();
  for (const Field& f : fields) seen += look_at(f, v[f.name]);
  return seen;
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fuzz::Input in(data, size);
  if (in.message == nullptr) return 0;
  const char* problem = nullptr;
  Value v;
  {
    const fuzz::AllocationBound bound(in.body.size());
    v = decode(*in.message, in.version, in.body, problem);
    fuzz::promise(v.null() == (problem != nullptr), "a value or a problem");
    if (v.null()) return 0;
    fuzz::promise(look_at(fields_of(*in.message), v) <= in.body.size(), "no more than came");
  }
  std::vector<std::byte> once, twice;
  problem = encode(*in.message, in.version, v, once);
  fuzz::promise(problem == nullptr, problem != nullptr ? problem : "");
  fuzz::promise(once.size() <= in.body.size(), "Kafka's form is the shortest");
  const Value again = decode(*in.message, in.version, once, problem);
  fuzz::promise(again == v, "the same value");
  fuzz::promise(encode(*in.message, in.version, again, twice) == nullptr && once == twice,
                "one form for a value");
  return 0;
}
