// Reads the configuration file: text, then keys and values, then how they go together.
#include "control/config.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include <yaml-cpp/yaml.h>

namespace shunt::control {
namespace {

constexpr std::streamsize file_bytes_max = 1 << 20;

// The document's root. A file that is not YAML, or more than one document, is a problem.
YAML::Node root_of(const std::string& text, Document& doc) {
  try {
    const std::vector<YAML::Node> all = YAML::LoadAll(text);
    if (all.size() > 1)
      doc.add("file", {all[1].Mark().line + 1, all[1].Mark().column + 1}, "a second document",
              "one document");
    if (!all.empty()) return all[0];
  } catch (const YAML::Exception& e) {
    doc.add("file", {e.mark.line + 1, e.mark.column + 1}, "not YAML: " + e.msg, "YAML");
  }
  return YAML::Node(YAML::NodeType::Null);
}

}  // namespace

Loaded parse(std::string_view text, const std::string& file, const Paths& defaults) {
  Loaded out;
  out.config.file = file;
  out.config.socket = defaults.socket;
  out.config.journal = defaults.journal;
  out.config.net.plain = route::Endpoint{"127.0.0.1", 9092};

  Document doc;
  const YAML::Node root = root_of(std::string(text), doc);
  if (doc.problems.empty()) read_schema(doc, root, defaults.base, out.config);
  // Values that are wrong by themselves would only be reported again.
  if (doc.problems.empty()) cross_check(doc, out.config);

  std::stable_sort(doc.problems.begin(), doc.problems.end(), [](const auto& a, const auto& b) {
    return std::pair(a.line, a.column) < std::pair(b.line, b.column);
  });
  for (const Problem& p : doc.problems) out.problems.push_back(p.text(file));
  return out;
}

Loaded load(const std::string& file, Paths defaults) {
  const auto failed = [&](const std::string& why) {
    Loaded out;
    out.problems = {Problem{1, 1, "file", why, "a readable YAML file (-c FILE)"}.text(file)};
    return out;
  };
  errno = 0;
  std::ifstream in(file, std::ios::binary);
  std::string text;
  char part[16384];
  while (in && static_cast<std::streamsize>(text.size()) <= file_bytes_max) {
    in.read(part, sizeof part);
    text.append(part, static_cast<std::size_t>(in.gcount()));
  }
  if (!in.eof()) {
    if (static_cast<std::streamsize>(text.size()) > file_bytes_max) return failed("above 1 MiB");
    return failed(std::string("cannot be read: ") + std::strerror(errno ? errno : EIO));
  }
  if (defaults.base.empty()) defaults.base = folder_of(file);
  return parse(text, file, defaults);
}

}  // namespace shunt::control
