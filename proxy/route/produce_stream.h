// A Produce request too large to be held whole, cut into one request per partition as it arrives.
//
// A partition's records have their length in front, so each part's size is known before its first
// byte is sent (rules B5). No byte goes on before its topic and partition are known.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "proxy/wire/header.h"
#include "proxy/wire/value.h"
#include "proxy/wire/walker.h"

namespace shunt::route {

class ProduceStream {
 public:
  // `content_head`: the request's header as it was received (RequestHeader, without the size).
  ProduceStream(const wire::RequestHeader& header, wire::Bytes content_head,
                std::uint64_t body_size);

  enum class Kind : std::uint8_t {
    need_more,  // nothing to do until more bytes come
    begin,      // a part begins: send `bytes` (size, header, keys, records' length) to its leader;
                // the next bytes of `rest` are its record set, its first batch's header whole
    chunk,      // send `bytes`
    end,        // send `bytes`: the part is complete
    done,       // the request has been read to its end
    bad,        // not a Produce request of its version: error()
  };
  struct Step {
    Kind kind = Kind::need_more;
    wire::Bytes bytes;  // valid until the next call
  };
  // Consumes from `rest`, the body's bytes from position() on.
  Step next(wire::Bytes rest);

  std::uint64_t position() const { return walker_.position(); }
  const char* error() const { return error_ ? error_ : walker_.error(); }
  // Of the part that began last.
  const std::string& topic() const { return topic_; }
  const wire::Uuid& topic_id() const { return topic_id_; }
  std::int32_t partition() const { return partition_; }
  std::int16_t acks() const { return acks_; }
  const std::string& transactional_id() const { return transactional_id_; }  // empty: none

 private:
  Step part(const wire::Token& records);
  void keep(const wire::Token& t, wire::Bytes bytes);

  wire::Walker walker_;
  bool flexible_;
  std::vector<std::byte> head_;   // the request header
  std::vector<std::byte> fixed_;  // body up to the topics
  std::vector<std::byte> topic_key_;
  std::vector<std::byte> leaf_key_;
  std::vector<std::byte> out_;
  enum class Place : std::uint8_t { before, topic, leaf, records } place_ = Place::before;
  bool open_ = false;           // a part began and has not ended
  std::int64_t announce_ = -1;  // a part's records, of which too little has come to begin it
  std::string transactional_id_;
  std::string topic_;
  wire::Uuid topic_id_{};
  std::int32_t partition_ = -1;
  std::int16_t acks_ = 0;
  const char* error_ = nullptr;
};

}  // namespace shunt::route
