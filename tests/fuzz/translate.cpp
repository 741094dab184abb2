// Answers as clients are shown them: still messages, the same in pieces as in one.
#include "proxy/route/translate.h"

#include <algorithm>
#include <vector>

#include "tests/fuzz/allocation.h"
#include "tests/fuzz/target.h"

using namespace shunt;
using namespace shunt::route;
using wire::Bytes;
using wire::Token;
using wire::TokenKind;

namespace {

class TwoNodes : public Naming {
 public:
  const std::vector<ShownNode>& nodes() override { return nodes_; }
  std::optional<Endpoint> at(NodeId id) override {
    for (const ShownNode& n : nodes_) {
      if (n.id == id) return n.at;
    }
    return std::nullopt;
  }
  const std::string& cluster_id() override { return cluster_id_; }
  wire::Uuid topic_id(Cluster, const wire::Uuid& id) override { return id; }
  wire::Uuid native_topic_id(Cluster, const wire::Uuid& id) override { return id; }

 private:
  std::vector<ShownNode> nodes_ = {{NodeId{0}, {"127.1.0.1", 9092}, "r", true},
                                   {NodeId{new_node_base}, {"127.1.0.2", 9092}, "", false}};
  std::string cluster_id_ = "virtual";
};

bool still_a_message(const fuzz::Input& in, Bytes body) {
  wire::Walker w(*in.message, in.version, body.size());
  Token t = w.next(body);
  while (t.kind != TokenKind::done && t.kind != TokenKind::bad && t.kind != TokenKind::need_more) {
    t = w.next(body.subspan(w.position()));
  }
  return t.kind == TokenKind::done;
}

// Rewrites `body` as it arrives, `piece` bytes at a time; false: not a message.
bool stream(const fuzz::Input& in, Cluster from, Naming& naming, std::vector<std::byte>& body,
            std::size_t piece) {
  StreamTranslator translator(*in.message, in.version, body.size(), from, naming);
  std::size_t came = std::min(piece, body.size()), finished = 0;
  while (!translator.done()) {
    finished += translator.take(std::span(body).first(came).subspan(finished));
    fuzz::promise(finished <= came, "no more than what came");
    if (translator.done()) break;
    if (translator.error() != nullptr) return false;
    fuzz::promise(came < body.size(), "nothing more is wanted than the body");
    came = std::min(came + piece, body.size());
  }
  fuzz::promise(finished == body.size() && translator.left() == 0, "all of it");
  return true;
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fuzz::Input in(data, size);
  if (in.message == nullptr || in.message->request) return 0;
  TwoNodes naming;
  const Cluster from = (in.knob & 1) != 0 ? Cluster::new_cluster : Cluster::old_cluster;
  wire::Edits edits;
  Noticed noticed;
  {
    const fuzz::AllocationBound bound(in.body.size());
    const char* why = translate(*in.message, in.version, in.body, from, naming, edits, noticed);
    fuzz::promise((why == nullptr) == still_a_message(in, in.body), "a message or a reason");
    if (why != nullptr) return 0;
  }
  std::vector<std::byte> out;
  edits.append_to(out, in.body);
  fuzz::promise(still_a_message(in, out), "still a message");
  if (passing(*in.message, in.version, from) != Passing::streamed) return 0;
  std::vector<std::byte> whole(in.body.begin(), in.body.end()), pieces = whole;
  fuzz::promise(stream(in, from, naming, whole, whole.size()), "a message as it streams");
  fuzz::promise(stream(in, from, naming, pieces, 1U + in.knob), "and in pieces");
  fuzz::promise(whole == pieces, "the same in pieces");
  fuzz::promise(still_a_message(in, whole), "still a message when streamed");
  return 0;
}
