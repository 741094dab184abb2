#include "tests/sim/onlooker.h"

namespace shunt::sim {

using wire::Array;
using wire::Struct;

namespace {
constexpr wire::ApiKey offset_fetch_key = 9;
}

void Onlooker::look() {
  Array indexes;
  for (int p = 0; p < sim_.plan.partitions; ++p) indexes.push_back(p);
  for (const char* group : {"g0", "g1"}) {
    request(-1, offset_fetch_key, 7,
            Struct{{"GroupId", group},
                   {"Topics", Array{Struct{{"Name", topic_name}, {"PartitionIndexes", indexes}}}}},
            [](const wire::Value&) {});
  }
  after(random_.between(5, 60) * ms, [this] {
    if (!sim_.calm()) look();
  });
}

}  // namespace shunt::sim
