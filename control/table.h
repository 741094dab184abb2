// Tables and sentences for people: aligned columns, bold heads on a terminal.
#pragma once

#include <string>
#include <vector>

#include <boost/json/object.hpp>

namespace shunt::control {

class Table {
 public:
  explicit Table(std::vector<std::string> heads) : heads_(std::move(heads)) {}
  void row(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  bool empty() const { return rows_.empty(); }
  std::string text(bool color) const;

 private:
  std::vector<std::string> heads_;
  std::vector<std::vector<std::string>> rows_;
};

// A value as a cell: "-" for null, yes and no, lists joined with commas. Control characters, which
// a client's name may hold, never reach the terminal.
std::string cell(const boost::json::value& v);
std::string cell(const boost::json::object& o, std::string_view key);

std::string age(std::int64_t ms);            // "3d4h", "5m12s", "8s"
std::string bytes_text(std::int64_t bytes);  // "1.4 GiB"

}  // namespace shunt::control
