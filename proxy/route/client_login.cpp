#include "proxy/route/client_login.h"

namespace shunt::route {
namespace {

using wire::Array;
using wire::Value;

constexpr wire::ApiKey sasl_handshake = 17, api_versions = 18, sasl_authenticate = 36;
constexpr int scram_messages = 2;

bool passes(std::string_view mechanism) {
  return mechanism == "PLAIN" || mechanism == "SCRAM-SHA-256" || mechanism == "SCRAM-SHA-512" ||
         mechanism == "OAUTHBEARER";
}

std::string_view text_of(wire::Bytes raw) {
  return {reinterpret_cast<const char*>(raw.data()), raw.size()};
}

// The part before the separator, which is taken away with it.
std::string_view cut(std::string_view& text, char separator) {
  const auto end = std::min(text.find(separator), text.size());
  const auto part = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return part;
}

// RFC 5802: a comma is =2C in a name, an equals sign =3D.
std::string saslname(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto code = text.substr(i, 3);
    if (code == "=2C" || code == "=3D") {
      out += code == "=2C" ? ',' : '=';
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

// "n,,n=alice,r=NONCE": whose name is a token's id when tokenauth (KIP-48) is among the rest.
std::string scram_name(std::string_view message) {
  cut(message, ',');
  cut(message, ',');
  std::string name;
  while (!message.empty()) {
    const auto one = cut(message, ',');
    if (one == "tokenauth=true") return {};
    if (one.starts_with("n=")) name = saslname(one.substr(2));
  }
  return name;
}

}  // namespace

bool ClientLogin::admits(wire::ApiKey api) const {
  return open_ || api == sasl_handshake || api == api_versions || api == sasl_authenticate;
}

Value ClientLogin::handshake(wire::Version version, const Value& request) {
  const auto wanted = request["Mechanism"].text();
  version_ = version;
  messages_ = 0;
  said_name_.clear();
  said_password_.clear();
  refused_ = passes(wanted) ? "" : std::string(wanted);
  mechanism_ = wanted == "PLAIN"                 ? Mechanism::plain
               : wanted == "OAUTHBEARER"         ? Mechanism::oauthbearer
               : wanted.starts_with("SCRAM-SHA") ? Mechanism::scram
                                                 : Mechanism::none;
  if (refused_.empty()) return request;
  mechanism_ = Mechanism::none;
  return request.fields().set("Mechanism", "not passed on: " + refused_);
}

Value ClientLogin::handshake_answered(const Value& answer) {
  raw_ = answer["ErrorCode"].number() == 0 && version_ == 0;
  Array mechanisms;
  for (const Value& one : answer["Mechanisms"].array()) {
    if (passes(one.text())) mechanisms.push_back(one);
  }
  return answer.fields().set("Mechanisms", std::move(mechanisms));
}

void ClientLogin::asked(wire::Bytes from_client) {
  ++messages_;
  auto text = text_of(from_client);
  if (mechanism_ == Mechanism::plain) {
    const auto as = cut(text, '\0');
    const auto user = cut(text, '\0');
    said_name_ = as.empty() ? user : as;
    said_password_ = text;
  } else if (mechanism_ == Mechanism::scram && messages_ == 1) {
    said_name_ = scram_name(text);
  }
}

void ClientLogin::answered(std::int64_t error, wire::Bytes from_broker) {
  bool over = false;
  switch (mechanism_) {
    case Mechanism::plain:
      over = error == 0;
      break;
    case Mechanism::scram:
      over = error == 0 && messages_ == scram_messages;
      break;
    case Mechanism::oauthbearer:
      over = error == 0 && from_broker.empty();  // else it says what is wrong with the token
      break;
    case Mechanism::none:
      break;
  }
  if (!over) return;
  open_ = true;
  raw_ = false;
  name_ = said_name_;
  password_ = said_password_;
}

}  // namespace shunt::route
