#include "proxy/observe/events.h"

#include "proxy/observe/log.h"
#include "proxy/observe/text.h"

namespace shunt::observe {

void Events::add(Event event) {
  event.seq = next_++;
  event.time_ms = unix_ms_now();
  std::vector<log::Field> fields;
  if (!event.migration.empty()) fields.push_back({"migration", event.migration});
  for (const auto& [key, value] : event.keys) {
    if (const auto* text = std::get_if<std::string>(&value)) fields.push_back({key, *text});
    if (const auto* number = std::get_if<std::int64_t>(&value)) fields.push_back({key, *number});
    if (const auto* yes = std::get_if<bool>(&value)) fields.push_back({key, *yes});
  }
  log::info(event.event, fields);
  kept_.push_back(std::move(event));
  if (kept_.size() > kept_max) kept_.pop_front();
}

std::vector<Event> Events::since(std::uint64_t seq) const {
  std::vector<Event> out;
  for (const auto& e : kept_) {
    if (e.seq > seq) out.push_back(e);
  }
  return out;
}

}  // namespace shunt::observe
