// The running data path: what control sees of it.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "proxy/net/operator.h"
#include "proxy/net/settings.h"
#include "proxy/observe/events.h"
#include "proxy/observe/snapshot.h"
#include "proxy/route/identity.h"
#include "proxy/route/versions.h"

namespace boost::asio {
class io_context;
}

namespace shunt::net {

// What must outlive the daemon; control/journal implements it.
class Memory {
 public:
  virtual ~Memory() = default;
  // Written (not fsynced) before the answer that shows it. A failure is logged by the journal and
  // does not stop traffic.
  virtual void remember(const route::IdentityRecord& record) = 0;
  virtual void remember_versions(route::Cluster c, const route::ApiRanges& ranges) = 0;
  virtual void remember_cluster_id(route::Cluster c, const std::string& id) = 0;
  // A record of the migration. `durable`: on disk when it returns. False: it is not written, and
  // (durable) never will be: its effect must not show.
  virtual bool keep(const splice::Record& record, bool durable) = 0;
  // Null: how far clients have seen is forgotten with the daemon.
  virtual splice::ShownEnds* shown_ends() { return nullptr; }
};

// What was remembered, replayed at start.
struct Remembered {
  route::Identities identities;
  std::optional<route::ApiRanges> old_versions, new_versions;
  std::string old_cluster_id, new_cluster_id;  // empty: never seen
  splice::State splice;
  bool died = false;  // the daemon before did not drain: a Produce of it may still be under way
};

class Daemon {
 public:
  // Everything runs on `io`, one thread.
  static std::unique_ptr<Daemon> make(boost::asio::io_context& io, Settings settings,
                                      Remembered remembered, Memory& memory);
  virtual ~Daemon() = default;
  // Opens the listeners. Returns an empty string, or what is wrong (port taken, ...): where, why,
  // what to do next.
  virtual std::string listen() = 0;
  // Reads certificates and keys again; connections go on with those they have. Empty: done; else
  // what is wrong, and the former stay.
  virtual std::string reload() = 0;
  // Starts polling the clusters; `ready` is called once when listeners are open and old's metadata
  // is known.  `fatal` is called with a reason when the daemon cannot go on (an old broker
  // advertises an address of ours; another cluster id than remembered).
  virtual void start(std::function<void()> ready, std::function<void(std::string)> fatal) = 0;
  // Graceful: no new connections, in-flight requests are answered, then `stopped` is called; at the
  // latest after limits.drain. `answered`: no Produce is left of which nobody knows what became.
  virtual void drain(std::function<void(bool answered)> stopped) = 0;
  virtual observe::Snapshot snapshot() const = 0;
  virtual Operator& operate() = 0;
  virtual const observe::Events& events() const = 0;
  virtual const observe::Metrics& metrics() const = 0;
};

}  // namespace shunt::net
