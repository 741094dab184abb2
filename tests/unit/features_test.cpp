// Features in ApiVersions: what two clusters have in common (KIP-584).
#include "proxy/route/features.h"

#include <catch2/catch.hpp>

#include "proxy/route/versions.h"

using namespace shunt;
using route::Cluster;
using route::NativeNodeId;
using wire::Array;
using wire::Struct;
using wire::Value;

namespace {

struct Supported {
  const char* name;
  int min, max;
};

Value body(std::vector<Supported> supported, std::vector<Supported> finalized, std::int64_t epoch) {
  Array s, f, apis;
  for (const auto& x : supported) {
    s.emplace_back(Struct{{"Name", x.name}, {"MinVersion", x.min}, {"MaxVersion", x.max}});
  }
  for (const auto& x : finalized) {
    f.emplace_back(
        Struct{{"Name", x.name}, {"MaxVersionLevel", x.max}, {"MinVersionLevel", x.min}});
  }
  apis.emplace_back(Struct{{"ApiKey", 3}, {"MinVersion", 0}, {"MaxVersion", 12}});
  return Struct{{"ErrorCode", 0},
                {"ApiKeys", apis},
                {"SupportedFeatures", s},
                {"FinalizedFeaturesEpoch", epoch},
                {"FinalizedFeatures", f}};
}

// "name min-max ..." of an answer's list.
std::string listed(const Value& answer, const char* list, const char* min, const char* max) {
  std::string out;
  for (const auto& f : answer[list].array()) {
    out += std::string(f["Name"].text()) + " " + std::to_string(f[min].number()) + "-" +
           std::to_string(f[max].number()) + ";";
  }
  return out;
}
std::string supported(const Value& a) {
  return listed(a, "SupportedFeatures", "MinVersion", "MaxVersion");
}
std::string finalized(const Value& a) {
  return listed(a, "FinalizedFeatures", "MinVersionLevel", "MaxVersionLevel");
}

constexpr route::NodeKey old_one{Cluster::old_cluster, NativeNodeId{1}};
constexpr route::NodeKey new_one{Cluster::new_cluster, NativeNodeId{1}};
const Value of_old = body({{"a", 1, 5}, {"b", 0, 2}, {"only.old", 1, 1}, {"apart", 1, 2}},
                          {{"a", 1, 4}, {"b", 1, 1}, {"only.old", 1, 1}}, 42);
const Value of_new = body({{"a", 3, 9}, {"b", 0, 1}, {"only.new", 1, 1}, {"apart", 3, 4}},
                          {{"a", 3, 7}, {"only.new", 1, 1}}, 77);

}  // namespace

TEST_CASE("features: old alone shows its own", "[features]") {
  route::Versions v;
  v.take(old_one, of_old);
  CHECK(supported(v.answer(0, 4)) == "a 1-5;apart 1-2;b 0-2;only.old 1-1;");
  CHECK(finalized(v.answer(0, 4)) == "a 1-4;b 1-1;only.old 1-1;");
  CHECK(v.answer(0, 4)["FinalizedFeaturesEpoch"].number() == 42);
}

TEST_CASE("features: two clusters show what both have", "[features]") {
  route::Versions v;
  v.take(old_one, of_old);
  v.take(new_one, of_new);
  CHECK(supported(v.answer(0, 4)) == "a 3-5;b 0-1;");
  CHECK(finalized(v.answer(0, 4)) == "a 3-4;");
  CHECK(v.answer(0, 4)["FinalizedFeaturesEpoch"].number() == 42);
}

TEST_CASE("features: below v4 none with a minimum of 0 (KAFKA-17011)", "[features]") {
  route::Versions v;
  v.take(old_one, of_old);
  CHECK(supported(v.answer(0, 3)) == "a 1-5;apart 1-2;only.old 1-1;");
  CHECK(finalized(v.answer(0, 3)) == finalized(v.answer(0, 4)));
}

TEST_CASE("features: a new cluster that has not told hides them", "[features]") {
  route::Versions v;
  v.take(old_one, of_old);
  v.restore(Cluster::new_cluster, *v.cluster(Cluster::old_cluster));
  CHECK(supported(v.answer(0, 4)).empty());
  CHECK(finalized(v.answer(0, 4)).empty());
}

TEST_CASE("features: an error shows none", "[features]") {
  route::Versions v;
  v.take(old_one, of_old);
  CHECK(supported(v.answer(35, 4)).empty());
}
