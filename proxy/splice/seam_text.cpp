#include "proxy/splice/seam_text.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <map>

#include "proxy/wire/crc32c.h"

namespace shunt::splice {
namespace {

constexpr std::string_view first_word = "shunt/1";
constexpr char hex_digits[] = "0123456789abcdef";
constexpr std::size_t crc_digits = 8;
// Nobody's offsets are larger, and sums of two stay in 64 bits.
constexpr std::int64_t offset_max = std::int64_t{1} << 61;
constexpr auto epoch_open = std::numeric_limits<std::int32_t>::max();

std::string crc_of(std::string_view text) {
  char out[crc_digits + 1];
  const auto crc = wire::crc32c(0, std::as_bytes(std::span(text)));
  std::snprintf(out, sizeof out, "%08x", crc);
  return out;
}

// Cluster ids are free text: what would end a word is written as %XX.
std::string escaped(std::string_view text) {
  std::string out;
  for (const char ch : text) {
    const auto byte = static_cast<unsigned char>(ch);
    const bool plain = (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
                       (byte >= 'a' && byte <= 'z') || ch == '-' || ch == '_' || ch == '.';
    if (plain) {
      out += ch;
    } else {
      out += '%';
      out += hex_digits[byte >> 4];
      out += hex_digits[byte & 15];
    }
  }
  return out;
}

std::string hex(const wire::Uuid& id) {
  if (id == wire::Uuid{}) return "";
  std::string out;
  for (const auto b : id) {
    out += hex_digits[std::to_integer<unsigned>(b) >> 4];
    out += hex_digits[std::to_integer<unsigned>(b) & 15];
  }
  return out;
}

// What of a segment follows from those before it.
struct Expected {
  std::map<Cluster, std::int64_t> next;  // native
  std::int32_t epoch_base = 0;
  std::uint32_t cut = 0;
  void behind(const Segment& s) {
    if (!s.open()) next[s.cluster] = s.native_end;
    epoch_base = s.epoch_last < epoch_open ? s.epoch_last + 1 : epoch_open;
    cut = s.cut;
  }
};

// CLUSTER [NATIVE_START] "+" [LENGTH] ["," EPOCH_BASE "," EPOCH_LAST "," CUT]
std::string word_of(const Segment& s, const Expected& e) {
  std::string out(1, s.cluster == Cluster::old_cluster ? 'o' : 'n');
  const auto next = e.next.find(s.cluster);
  if (next == e.next.end() || next->second != s.native_start) out += std::to_string(s.native_start);
  out += '+';
  if (!s.open()) out += std::to_string(s.native_end - s.native_start);
  std::string rest = ",";
  if (s.epoch_base != e.epoch_base) rest += std::to_string(s.epoch_base);
  rest += ',';
  if (s.epoch_last != (s.open() ? epoch_open : s.epoch_base)) rest += std::to_string(s.epoch_last);
  rest += ',';
  if (s.cut != e.cut) rest += std::to_string(s.cut);
  while (!rest.empty() && rest.back() == ',') rest.pop_back();
  return out + rest;
}

std::string head_of(const SeamText& k) {
  std::string out(first_word);
  out += " c=" + escaped(k.old_cluster) + ',' + escaped(k.new_cluster);
  out += " m=" + std::to_string(k.scheme) + ',' + std::to_string(k.since) + ',' +
         std::to_string(k.topics);
  out += " t=" + hex(k.old_id) + ',' + hex(k.new_id) + ',' + std::to_string(k.partitions);
  out += " k=" + std::to_string(k.left_out);
  for (const auto& c : k.cuts) {
    out += " x=" + std::to_string(c.cut) + ',' + escaped(c.move) + ',' +
           (c.to == Cluster::old_cluster ? "o" : "n") + ',' + escaped(c.undoes) + ',' +
           std::to_string(c.at);
  }
  out += " v=" + std::to_string(k.segments.front().start.at) + " s=";
  return out;
}

std::string text_of(const SeamText& k) {
  std::string out = head_of(k);
  Expected expected;
  for (const auto& s : k.segments) {
    if (out.back() != '=') out += ' ';
    out += word_of(s, expected);
    expected.behind(s);
  }
  out += " #";
  return out + crc_of(out);
}

// Words and fields, taken from the front.
class Taker {
 public:
  explicit Taker(std::string_view text) : left_(text) {}
  bool ok() const { return ok_; }
  bool done() const { return left_.empty(); }
  char peek() const { return left_.empty() ? '\0' : left_.front(); }
  bool skip(std::string_view what) {
    if (!left_.starts_with(what)) return false;
    left_.remove_prefix(what.size());
    return true;
  }
  void must(std::string_view what) { ok_ = skip(what) && ok_; }
  bool digit() const { return peek() == '-' || (peek() >= '0' && peek() <= '9'); }
  template <class T>
  T number(std::int64_t min = 0, std::int64_t max = std::numeric_limits<T>::max()) {
    std::int64_t value = 0;
    const auto* end = left_.data() + left_.size();
    const auto [at, e] = std::from_chars(left_.data(), end, value);
    if (e != std::errc{} || value < min || value > max) return fail<T>();
    left_.remove_prefix(static_cast<std::size_t>(at - left_.data()));
    return static_cast<T>(value);
  }
  std::string text() {
    std::string out;
    while (!done() && peek() != ',' && peek() != ' ') {
      if (!skip("%")) {
        out += peek();
        left_.remove_prefix(1);
        continue;
      }
      out += static_cast<char>(byte());
    }
    return out;
  }
  wire::Uuid uuid() {
    wire::Uuid id{};
    if (done() || peek() == ',' || peek() == ' ') return id;
    for (auto& b : id) b = static_cast<std::byte>(byte());
    return id;
  }
  Cluster cluster() {
    if (skip("o")) return Cluster::old_cluster;
    must("n");
    return Cluster::new_cluster;
  }

 private:
  template <class T>
  T fail() {
    ok_ = false;
    return T{};
  }
  unsigned byte() {
    unsigned value = 0;
    if (left_.size() < 2) return fail<unsigned>();
    const auto [at, e] = std::from_chars(left_.data(), left_.data() + 2, value, 16);
    if (e != std::errc{} || at != left_.data() + 2) return fail<unsigned>();
    left_.remove_prefix(2);
    return value;
  }
  std::string_view left_;
  bool ok_ = true;
};

Segment take_segment(Taker& in, const Expected& e, VirtualOffset start) {
  constexpr std::int64_t any = std::numeric_limits<std::int32_t>::min();
  Segment s;
  s.start = start;
  s.cluster = in.cluster();
  const auto next = e.next.find(s.cluster);
  if (in.digit())
    s.native_start = in.number<std::int64_t>(0, offset_max);
  else if (next != e.next.end())
    s.native_start = next->second;
  else
    in.must("a start");
  in.must("+");
  if (in.digit()) s.native_end = s.native_start + in.number<std::int64_t>(0, offset_max);
  s.epoch_base = e.epoch_base;
  if (in.skip(",") && in.digit()) s.epoch_base = in.number<std::int32_t>(any);
  s.epoch_last = s.open() ? epoch_open : s.epoch_base;
  if (in.skip(",") && in.digit()) s.epoch_last = in.number<std::int32_t>(any);
  s.cut = e.cut;
  if (in.skip(",") && in.digit()) s.cut = in.number<std::uint32_t>();
  return s;
}

KeptCut take_cut(Taker& in) {
  KeptCut c;
  c.cut = in.number<std::uint32_t>();
  in.must(",");
  c.move = in.text();
  in.must(",");
  c.to = in.cluster();
  in.must(",");
  c.undoes = in.text();
  in.must(",");
  c.at = in.number<std::int64_t>();
  return c;
}

void take_head(Taker& in, SeamText& out) {
  in.must(" c=");
  out.old_cluster = in.text();
  in.must(",");
  out.new_cluster = in.text();
  in.must(" m=");
  out.scheme = in.number<int>();
  in.must(",");
  out.since = in.number<std::int64_t>();
  in.must(",");
  out.topics = in.number<std::int32_t>();
  in.must(" t=");
  out.old_id = in.uuid();
  in.must(",");
  out.new_id = in.uuid();
  in.must(",");
  out.partitions = in.number<std::int32_t>(1);
  in.must(" k=");
  out.left_out = in.number<std::uint32_t>();
  while (in.ok() && in.skip(" x=")) out.cuts.push_back(take_cut(in));
  in.must(" v=");
}

}  // namespace

std::string seam_text(SeamText& kept, std::size_t bytes_max) {
  auto out = text_of(kept);
  while (out.size() > bytes_max && kept.segments.size() > 1) {
    // Some at a time: a long list must not be written once for each.
    const auto n = std::max<std::size_t>((kept.segments.size() - 1) / 16, 1);
    kept.segments.erase(kept.segments.begin(),
                        kept.segments.begin() + static_cast<std::ptrdiff_t>(n));
    kept.left_out += static_cast<std::uint32_t>(n);
    std::erase_if(kept.cuts, [&](const auto& c) { return c.cut < kept.segments.front().cut; });
    out = text_of(kept);
  }
  return out;
}

std::optional<SeamText> read_seam_text(std::string_view text, std::string& problem) {
  problem.clear();
  const auto refuse = [&](const char* why) {
    problem = why;
    return std::nullopt;
  };
  if (!text.starts_with("shunt/")) return refuse("not written by Shunt");
  if (!text.starts_with(std::string(first_word) + ' ')) return refuse("of an unknown version");
  const auto body = text.size() > crc_digits ? text.size() - crc_digits : 0;
  if (body == 0 || text[body - 1] != '#' || crc_of(text.substr(0, body)) != text.substr(body))
    return refuse("torn or changed");
  Taker in(text.substr(first_word.size(), body - 2 - first_word.size()));  // without " #"
  SeamText out;
  take_head(in, out);
  VirtualOffset start{in.number<std::int64_t>(0, offset_max)};
  in.must(" s=");
  Expected expected;
  while (in.ok()) {
    out.segments.push_back(take_segment(in, expected, start));
    const auto& s = out.segments.back();
    expected.behind(s);
    if (in.done()) break;
    in.must(" ");
    start = s.end();
    if (s.open() || start.at > offset_max) return refuse("not a list of segments");
  }
  VirtualLog log;
  if (!in.ok() || log.restore(out.segments) != nullptr) return refuse("not a list of segments");
  return out;
}

}  // namespace shunt::splice
