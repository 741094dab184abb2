#include "proxy/route/translate.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "proxy/wire/bytes.h"

namespace shunt::route {
namespace {

using wire::Bytes;
using wire::Field;
using wire::Role;
using wire::Token;
using wire::TokenKind;

constexpr std::int8_t resource_broker = 4, resource_broker_logger = 8;  // ConfigResource.Type

NodeId shown_number(Cluster from, std::int64_t native_id) {
  return shown(from, NativeNodeId{static_cast<std::int32_t>(native_id)});
}

std::array<std::byte, 4> number_bytes(NodeId id) {
  std::array<std::byte, 4> b;
  wire::store(b.data(), static_cast<std::int32_t>(id));
  return b;
}

std::vector<std::byte> string_bytes(std::string_view text, bool flexible) {
  std::vector<std::byte> out;
  if (flexible)
    wire::put_varint(out, static_cast<std::uint32_t>(text.size() + 1));
  else
    wire::put(out, static_cast<std::int16_t>(text.size()));
  const auto* p = reinterpret_cast<const std::byte*>(text.data());
  out.insert(out.end(), p, p + text.size());
  return out;
}

// A node list element by the roles of the array's struct.
wire::Value node_value(const Field& array, const ShownNode& n) {
  wire::Struct s;
  for (const Field& f : wire::fields_of(array)) {
    if (f.role == Role::node_id) s.set(f.name, static_cast<std::int32_t>(n.id));
    if (f.role == Role::host) s.set(f.name, n.at.host);
    if (f.role == Role::port) s.set(f.name, int{n.at.port});
    if (f.role == Role::rack) s.set(f.name, n.has_rack ? wire::Value(n.rack) : wire::Value());
  }
  return s;
}

// Translates one whole body, token by token.
class WholeTranslator {
 public:
  WholeTranslator(wire::Version version, bool flexible, Cluster from, Naming& naming,
                  wire::Edits& edits, Noticed& noticed, Offsets* offsets)
      : version_(version),
        flexible_(flexible),
        from_(from),
        naming_(naming),
        edits_(edits),
        noticed_(noticed),
        numbers_(offsets) {}

  const char* take(const Token& t) {
    if (replacing_ != nullptr) {  // inside a node list that is replaced as a whole
      if (t.kind == TokenKind::end_array && t.field == replacing_) return end_nodes(t);
      return nullptr;
    }
    switch (t.kind) {
      case TokenKind::array:
        if (t.field->role == Role::nodes && t.number > 0) {
          replacing_ = t.field;
          replaced_at_ = t.at;
        }
        return nullptr;
      case TokenKind::tag:
        if (t.field != nullptr) tags_.push_back(t);  // an unknown one has no end_tag
        return nullptr;
      case TokenKind::end_tag:
        end_tag();
        return nullptr;
      case TokenKind::scalar:
      case TokenKind::text:
        field(t);
        if (numbers_.on()) renumber(t);
        return numbers_.error();
      case TokenKind::blob:
        if (numbers_.on() && t.field->role == Role::records) numbers_.begin_records(t.number);
        return numbers_.error();
      case TokenKind::chunk:
        if (numbers_.in_records()) records(t);
        return numbers_.error();
      default:
        return nullptr;
    }
  }

 private:
  void renumber(const Token& t) {
    if (t.kind == TokenKind::text) {
      if (t.field->role == Role::topic_name) numbers_.topic(t);
      return;
    }
    if (t.field->role == Role::topic_id) return numbers_.topic(topic_id_);
    const auto shown = numbers_.number(t);
    if (shown == t.number) return;
    std::array<std::byte, 8> bytes;
    wire::store(bytes.data(), shown);
    edits_.replace(t.at, t.size, Bytes(bytes).last(t.size));
  }

  // The whole set is one chunk: the body is all there.
  void records(const Token& t) {
    numbers_.records(t.content, [&](std::size_t at, const wire::BatchHeader& h) {
      std::array<std::byte, wire::batch_header_bytes> header;
      const auto here = t.content.subspan(at, h.header_size());
      std::copy(here.begin(), here.end(), header.begin());
      if (!numbers_.batch(h, std::span(header).first(here.size()))) return false;
      edits_.replace(t.at + at, static_cast<std::uint32_t>(here.size()),
                     Bytes(header).first(here.size()));
      return true;
    });
    numbers_.end_records();
  }

  const char* end_nodes(const Token& t) {
    wire::Array nodes;
    for (const ShownNode& n : naming_.nodes()) nodes.push_back(node_value(*replacing_, n));
    std::vector<std::byte> bytes;
    if (const char* why = wire::encode_array(*replacing_, version_, flexible_, nodes, bytes)) {
      return why;
    }
    edits_.replace(replaced_at_, static_cast<std::uint32_t>(t.at - replaced_at_), bytes);
    replacing_ = nullptr;
    return nullptr;
  }

  // A tagged field whose value changed its length gets its new size.
  void end_tag() {
    const Token open = tags_.back();
    tags_.pop_back();
    const auto grown = edits_.growth(open.at);
    if (grown == 0) return;
    std::vector<std::byte> head;
    wire::put_varint(head, static_cast<std::uint32_t>(open.number));
    wire::put_varint(head, static_cast<std::uint32_t>(open.payload + grown));
    edits_.replace(open.at, open.size, head);
  }

  void field(const Token& t) {
    switch (t.field->role) {
      case Role::error:
        noticed_.error(t.number);
        return;
      case Role::session_id:
        noticed_.fetch_session = static_cast<std::int32_t>(t.number);
        return;
      case Role::node_id:
        return node_id(t);
      case Role::host:
        if (t.number > 0) {
          // Without an address of ours none is shown: a broker's own never passes.
          const auto at = naming_.at(node_);
          edits_.replace(t.at, t.size, string_bytes(at ? at->host : std::string{}, flexible_));
        }
        return;
      case Role::port:
        if (t.number >= 0) {
          const auto at = naming_.at(node_);
          std::array<std::byte, 4> port;
          wire::store(port.data(), std::int32_t{at ? at->port : 0});
          edits_.replace(t.at, t.size, Bytes(port).last(t.size));  // an int32, or a uint16
        }
        return;
      case Role::cluster_id:
        if (from_ == Cluster::new_cluster && t.number > 0 && !naming_.cluster_id().empty()) {
          edits_.replace(t.at, t.size, string_bytes(naming_.cluster_id(), flexible_));
        }
        return;
      case Role::topic_id:
        return topic_id(t);
      case Role::resource_type:
        type_ = t.number;
        return resource();
      case Role::resource_name:
        name_ = t;
        return resource();
      default:
        return;
    }
  }

  void node_id(const Token& t) {
    node_ = shown_number(from_, t.number);
    if (static_cast<std::int32_t>(node_) != t.number) {
      edits_.replace(t.at, t.size, number_bytes(node_));
    }
  }

  void topic_id(const Token& t) {
    std::copy(t.content.begin(), t.content.end(), topic_id_.begin());
    if (from_ == Cluster::old_cluster) return;
    topic_id_ = naming_.topic_id(from_, topic_id_);
    edits_.replace(t.at, t.size, topic_id_);
  }

  // Type and name of a config resource stand side by side, in either order.
  void resource() {
    if (type_ < 0 || name_.field == nullptr) return;
    const std::string_view name(reinterpret_cast<const char*>(name_.content.data()),
                                name_.content.size());
    std::int32_t id = -1;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), id);
    const bool broker = type_ == resource_broker || type_ == resource_broker_logger;
    if (broker && from_ == Cluster::new_cluster && error == std::errc{} &&
        end == name.data() + name.size()) {
      const auto text = std::to_string(static_cast<std::int32_t>(shown_number(from_, id)));
      edits_.replace(name_.at, name_.size, string_bytes(text, flexible_));
    }
    type_ = -1;
    name_ = {};
  }

  wire::Version version_;
  bool flexible_;
  Cluster from_;
  Naming& naming_;
  wire::Edits& edits_;
  Noticed& noticed_;
  Renumbering numbers_;
  const Field* replacing_ = nullptr;
  std::uint64_t replaced_at_ = 0;
  std::vector<Token> tags_;
  NodeId node_{-1};
  wire::Uuid topic_id_{};  // as shown
  std::int64_t type_ = -1;
  Token name_{};
};

bool has_varying(std::span<const Field> fields, wire::Version v, Cluster from) {
  return std::any_of(fields.begin(), fields.end(), [&](const Field& f) {
    if (!f.versions.contains(v)) return false;
    if (f.role == Role::endpoints && f.tagged.contains(v)) return false;  // blanked as it streams
    const bool foreign = from == Cluster::new_cluster;
    if (f.role == Role::nodes || f.role == Role::host) return true;
    if (foreign && (f.role == Role::cluster_id || f.role == Role::resource_name)) return true;
    return f.type == wire::Type::structure && has_varying(fields_of(f), v, from);
  });
}

}  // namespace

void Noticed::error(std::int64_t code) {
  switch (code) {
    case 3:    // UNKNOWN_TOPIC_OR_PARTITION
    case 5:    // LEADER_NOT_AVAILABLE
    case 6:    // NOT_LEADER_OR_FOLLOWER
    case 72:   // LISTENER_NOT_FOUND
    case 74:   // FENCED_LEADER_EPOCH
    case 75:   // UNKNOWN_LEADER_EPOCH
    case 100:  // UNKNOWN_TOPIC_ID
    case 103:  // INCONSISTENT_TOPIC_ID
      stale_leader = true;
      return;
    case 15:  // COORDINATOR_NOT_AVAILABLE
    case 16:  // NOT_COORDINATOR
      stale_coordinator = true;
      return;
    case 41:  // NOT_CONTROLLER
      stale_controller = true;
      return;
    default:
      return;
  }
}

Passing passing(const wire::Message& answer, wire::Version version, Cluster from) {
  return has_varying(fields_of(answer), version, from) ? Passing::whole : Passing::streamed;
}

const char* translate(const wire::Message& answer, wire::Version version, Bytes body, Cluster from,
                      Naming& naming, wire::Edits& edits, Noticed& noticed, Offsets* offsets) {
  edits.begin(body);
  wire::Walker walker(answer, version, body.size());
  WholeTranslator translator(version, walker.flexible(), from, naming, edits, noticed, offsets);
  for (;;) {
    const Token t = walker.next(body.subspan(walker.position()));
    if (t.kind == TokenKind::done) return nullptr;
    if (t.kind == TokenKind::bad) return walker.error();
    if (t.kind == TokenKind::need_more) return "the body ends early";
    if (const char* why = translator.take(t)) return why;
  }
}

const char* translate_request(const wire::Message& request, wire::Version version, Bytes body,
                              Cluster to, Naming& naming, wire::Edits& edits) {
  if (to == Cluster::old_cluster) return nullptr;  // ids are old's own
  edits.begin(body);
  wire::Walker walker(request, version, body.size());
  std::int64_t type = -1;
  for (;;) {
    const Token t = walker.next(body.subspan(walker.position()));
    if (t.kind == TokenKind::done) return nullptr;
    if (t.kind == TokenKind::bad) return walker.error();
    if (t.kind == TokenKind::need_more) return "the body ends early";
    if (t.field == nullptr) continue;
    if (t.kind == TokenKind::scalar && t.field->role == Role::resource_type) type = t.number;
    if (t.kind == TokenKind::scalar && t.field->role == Role::topic_id) {
      wire::Uuid id;
      std::copy(t.content.begin(), t.content.end(), id.begin());
      edits.replace(t.at, t.size, naming.native_topic_id(to, id));
    }
    if (t.kind == TokenKind::scalar && t.field->role == Role::node_id) {
      const auto n = native(NodeId{static_cast<std::int32_t>(t.number)});
      edits.replace(t.at, t.size, number_bytes(NodeId{static_cast<std::int32_t>(n.id)}));
    }
    if (t.kind == TokenKind::text && t.field->role == Role::resource_name &&
        (type == resource_broker || type == resource_broker_logger)) {
      const std::string_view name(reinterpret_cast<const char*>(t.content.data()),
                                  t.content.size());
      std::int32_t id = -1;
      const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), id);
      if (error == std::errc{} && end == name.data() + name.size() && id >= new_node_base) {
        edits.replace(t.at, t.size,
                      string_bytes(std::to_string(id - new_node_base), walker.flexible()));
      }
    }
  }
}

}  // namespace shunt::route
