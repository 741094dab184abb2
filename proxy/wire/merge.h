// The answers to the parts of one request, made one answer again.
#pragma once

#include <span>
#include <vector>

#include "proxy/wire/schema.h"
#include "proxy/wire/walker.h"

namespace shunt::wire {

// Appends to `out` the one body that holds the elements of all `bodies` (answers of the same
// message and version, at least one). Elements of the same topic come together, in the order the
// topics were first met (a topic without elements is left out); what stands outside the arrays is
// the first body's, except: throttle time is the greatest, the error is the first that is not 0, a
// fetch session id is 0 (a split Fetch has none).
// Null, or what is wrong with one of the bodies (`out` is then as it was).
const char* merge(const Message& answer, Version version, std::span<const Bytes> bodies,
                  std::vector<std::byte>& out);

}  // namespace shunt::wire
