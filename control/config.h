// The configuration file as values: what `shunt run` is told (contract.md, Config).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/paths.h"
#include "control/yaml.h"
#include "proxy/net/settings.h"
#include "proxy/observe/log.h"

namespace shunt::control {

using net::ClientAuth;
using net::ClusterSasl;
using net::ClusterTls;
using net::ListenTls;
using net::Sasl;

constexpr std::chrono::milliseconds hold_limit_max = std::chrono::seconds(9);  // kafka-go: 10 s

struct Config {
  std::string file;
  net::Settings net;          // what the data path needs
  std::string socket, group;  // group empty: none
  std::optional<route::Endpoint> http = route::Endpoint{"127.0.0.1", 9644};
  std::string journal;
  observe::log::Level level = observe::log::Level::info;
  observe::log::Format format = observe::log::Format::text;
};

// A file read: `config` means something only without problems.
struct Loaded {
  Config config;
  std::vector<std::string> problems;  // "FILE:LINE:COL: key: problem; expected ...", in file order
};
Loaded load(const std::string& file, Paths defaults);
Loaded parse(std::string_view text, const std::string& file, const Paths& defaults);

// Every key with its value, as a file that means the same.
std::string describe(const Config& config);

// The steps of parse: keys and values (schema.cpp), then how they go together (crosscheck.cpp).
void read_schema(Document& doc, const YAML::Node& root, const std::string& base, Config& config);
void cross_check(Document& doc, const Config& config);

// Words of the file for values; shared by the schema and describe.
const std::vector<std::pair<std::string_view, Sasl>>& sasl_words();
const std::vector<std::pair<std::string_view, ClientAuth>>& client_auth_words();
const std::vector<std::pair<std::string_view, net::Advertise>>& advertise_words();
const std::vector<std::pair<std::string_view, observe::log::Level>>& level_words();
const std::vector<std::pair<std::string_view, observe::log::Format>>& format_words();

}  // namespace shunt::control
