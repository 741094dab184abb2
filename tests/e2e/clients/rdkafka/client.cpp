// A program on Debian's librdkafka: producer and group members, by key=value options (see
// ../README.md).
#include <librdkafka/rdkafka.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <iostream>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

using Clock = std::chrono::steady_clock;

static std::map<std::string, std::string> options;
static std::string client = "rdkafka";
static std::atomic<bool> quiet, stop;
static std::mutex output;

static std::string text(std::string_view s) {  // as a JSON string
  std::string out = "\"";
  for (char c : s) {
    if (c == '"' || c == '\\') out += '\\';
    out += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
  }
  return out + '"';
}

static void event(const std::string& name, const std::string& fields = "") {
  double now =
      std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  std::lock_guard lock(output);
  std::printf("{\"time\":%.3f,\"event\":\"%s\",\"client\":\"%s\"%s}\n", now, name.c_str(),
              client.c_str(), fields.c_str());
  std::fflush(stdout);
}

static std::string field(const char* key, std::string_view value) {
  return std::string(",\"") + key + "\":" + text(value);
}
static std::string field(const char* key, long long value) {
  return std::string(",\"") + key + "\":" + std::to_string(value);
}

static std::string option(const std::string& key, const std::string& otherwise) {
  auto found = options.find(key);
  return found == options.end() ? otherwise : found->second;
}

static std::string place(const char* topic, int partition) {
  return field("topic", topic) + field("partition", static_cast<long long>(partition));
}

static std::string idempotent() {
  return option("idempotent", option("acks", "all") == "all" ? "true" : "false");
}

static void set(rd_kafka_conf_t* conf, const std::string& key, const std::string& value) {
  char why[256];
  if (rd_kafka_conf_set(conf, key.c_str(), value.c_str(), why, sizeof why) != RD_KAFKA_CONF_OK)
    throw std::runtime_error(why);
}

[[noreturn]] static void usage(const std::string& why) {
  std::cerr << "usage: " << why << std::endl;
  std::exit(2);
}

static void copy(rd_kafka_conf_t* conf, const std::string& key, const std::string& from) {
  if (options.count(from)) set(conf, key, options[from]);
}

// The options tls_* and sasl; the library verifies host names unless told otherwise.
static void secure(rd_kafka_conf_t* conf) {
  const bool tls = options.count("tls_ca"), login = options.count("sasl");
  if (options.count("tls_cert") != options.count("tls_key") || options.count("tls_cert") > tls)
    usage("tls_cert= and tls_key= want each other and tls_ca=");
  if (tls || login)
    set(conf, "security.protocol", std::string(login ? "SASL_" : "") + (tls ? "SSL" : "PLAINTEXT"));
  copy(conf, "ssl.ca.location", "tls_ca");
  copy(conf, "ssl.certificate.location", "tls_cert");
  copy(conf, "ssl.key.location", "tls_key");
  if (!login) return;
  const std::string mechanism = options["sasl"];
  const bool token = mechanism == "OAUTHBEARER";
  if (!token && mechanism != "PLAIN" && mechanism != "SCRAM-SHA-256" &&
      mechanism != "SCRAM-SHA-512")
    usage("sasl=" + mechanism +
          ": this program knows PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER");
  if (!options.count("user") || (!token && !options.count("password")))
    usage("sasl=" + mechanism + " wants user= and password=");
  set(conf, "sasl.mechanism", mechanism);
  if (token) {  // the library makes an unsecured JWT itself
    set(conf, "enable.sasl.oauthbearer.unsecure.jwt", "true");
    set(conf, "sasl.oauthbearer.config", "principal=" + options["user"]);
  } else {
    copy(conf, "sasl.username", "user");
    copy(conf, "sasl.password", "password");
  }
}

static rd_kafka_t* create(rd_kafka_type_t type, rd_kafka_conf_t* conf, const std::string& name) {
  set(conf, "bootstrap.servers", options["bootstrap"]);
  set(conf, "client.id", name);
  secure(conf);
  for (auto& [key, value] : options)
    if (key.rfind("c.", 0) == 0) set(conf, key.substr(2), value);
  rd_kafka_conf_set_error_cb(conf, [](rd_kafka_t*, int, const char* why, void*) {
    event("warning", field("what", "librdkafka") + field("text", why));
  });
  char why[256];
  rd_kafka_t* made = rd_kafka_new(type, conf, why, sizeof why);
  if (!made) throw std::runtime_error(why);
  return made;
}

static void produce() {
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  set(conf, "acks", option("acks", "all"));
  set(conf, "enable.idempotence", idempotent());
  set(conf, "compression.type", option("compression", "none"));
  set(conf, "linger.ms", option("linger", "2"));
  rd_kafka_conf_set_dr_msg_cb(conf, [](rd_kafka_t*, const rd_kafka_message_t* m, void*) {
    std::string value(static_cast<const char*>(m->payload), m->len);
    value.erase(value.find_last_not_of(' ') + 1);
    if (m->err)
      event("error", field("what", "produce") + field("text", rd_kafka_err2str(m->err)) +
                         field("value", value));
    else
      event("acked", place(rd_kafka_topic_name(m->rkt), m->partition) +
                         (m->offset < 0 ? ",\"offset\":null" : field("offset", m->offset)) +
                         field("value", value));
  });
  rd_kafka_t* producer = create(RD_KAFKA_PRODUCER, conf, client);
  const std::string topic = options["topic"], padding(std::stoul(option("size", "0")), ' ');
  const long partitions = std::stol(option("partitions", "1")),
             count = std::stol(option("count", "0"));
  const double rate = std::stod(option("rate", "100"));
  const auto begin = Clock::now();
  long n = 0;
  for (; !quiet && (count == 0 || n < count); n++) {
    const std::string name = client + ":" + std::to_string(n), value = name + padding;
    event("sent", place(topic.c_str(), static_cast<int>(n % partitions)) + field("value", name));
    rd_kafka_resp_err_t error = rd_kafka_producev(
        producer, RD_KAFKA_V_TOPIC(topic.c_str()),
        RD_KAFKA_V_PARTITION(static_cast<int32_t>(n % partitions)),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
        RD_KAFKA_V_VALUE(const_cast<char*>(value.data()), value.size()), RD_KAFKA_V_END);
    if (error)
      event("error",
            field("what", "send") + field("text", rd_kafka_err2str(error)) + field("value", name));
    rd_kafka_poll(producer, 0);
    std::this_thread::sleep_until(begin + std::chrono::duration_cast<Clock::duration>(
                                              std::chrono::duration<double>((n + 1) / rate)));
  }
  while (rd_kafka_flush(producer, 1000) == RD_KAFKA_RESP_ERR__TIMED_OUT) {
  }
  event("produced", field("count", static_cast<long long>(n)));
  rd_kafka_destroy(producer);
}

struct Member {
  long long number;
};

static void rebalanced(rd_kafka_t* rk, rd_kafka_resp_err_t error,
                       rd_kafka_topic_partition_list_t* list, void* opaque) {
  std::string names;
  for (int i = 0; i < list->cnt; i++)
    names += (i ? "," : "") + text(std::string(list->elems[i].topic) + "-" +
                                   std::to_string(list->elems[i].partition));
  const bool assign = error == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
  event(assign                         ? "assigned"
        : rd_kafka_assignment_lost(rk) ? "lost"
                                       : "revoked",
        field("member", static_cast<Member*>(opaque)->number) + ",\"partitions\":[" + names + "]");
  rd_kafka_assign(rk, assign ? list : nullptr);
}

static void consume(long long number) {
  Member self{number};
  const std::string member = field("member", number);
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  const std::string group = option("group", "");
  set(conf, "group.id", group.empty() ? client : group);  // the library wants one
  set(conf, "enable.auto.commit", "false");
  set(conf, "auto.offset.reset", "earliest");
  set(conf, "heartbeat.interval.ms", "1000");
  set(conf, "session.timeout.ms", "20000");
  set(conf, "fetch.min.bytes", "10000");
  set(conf, "fetch.wait.max.ms", option("fetch_wait", "100"));
  rd_kafka_conf_set_opaque(conf, &self);
  if (!group.empty()) rd_kafka_conf_set_rebalance_cb(conf, rebalanced);
  rd_kafka_t* consumer = create(RD_KAFKA_CONSUMER, conf, client + "-m" + std::to_string(number));
  rd_kafka_poll_set_consumer(consumer);
  auto* topics = rd_kafka_topic_partition_list_new(4);
  if (group.empty()) {
    for (int p = 0; p < std::stoi(option("partitions", "1")); p++)
      rd_kafka_topic_partition_list_add(topics, options["topic"].c_str(), p)->offset =
          RD_KAFKA_OFFSET_BEGINNING;
    rebalanced(consumer, RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS, topics, &self);
  } else {
    rd_kafka_topic_partition_list_add(topics, options["topic"].c_str(), RD_KAFKA_PARTITION_UA);
    rd_kafka_subscribe(consumer, topics);
  }
  rd_kafka_topic_partition_list_destroy(topics);
  while (!stop) {
    auto* done = rd_kafka_topic_partition_list_new(4);
    for (int i = 0; i < 100; i++) {
      rd_kafka_message_t* m = rd_kafka_consumer_poll(consumer, i ? 0 : 200);
      if (!m) break;
      if (m->err) {
        event("error",
              field("what", "consume") + member + field("text", rd_kafka_message_errstr(m)));
      } else {
        std::string value(static_cast<const char*>(m->payload), m->len);
        value.erase(value.find_last_not_of(' ') + 1);
        const char* topic = rd_kafka_topic_name(m->rkt);
        event("polled", member + place(topic, m->partition) + field("offset", m->offset) +
                            field("value", value));
        auto* at = rd_kafka_topic_partition_list_find(done, topic, m->partition);
        if (!at) at = rd_kafka_topic_partition_list_add(done, topic, m->partition);
        at->offset = m->offset + 1;
      }
      rd_kafka_message_destroy(m);
    }
    if (done->cnt && !group.empty()) {
      if (auto error = rd_kafka_commit(consumer, done, 0)) {
        event("error", field("what", "commit") + member + field("text", rd_kafka_err2str(error)));
      } else {
        for (int i = 0; i < done->cnt; i++)
          event("committed", member + place(done->elems[i].topic, done->elems[i].partition) +
                                 field("offset", done->elems[i].offset));
      }
    }
    rd_kafka_topic_partition_list_destroy(done);
  }
  rd_kafka_consumer_close(consumer);
  rd_kafka_destroy(consumer);
}

int main(int argc, char** argv) {
  for (int i = 1; i < argc; i++) {
    std::string arg = argv[i];
    auto at = arg.find('=');
    options[arg.substr(0, at)] = arg.substr(at + 1);
  }
  client = option("client", client);
  event("start", field("library", "librdkafka") + field("version", rd_kafka_version_str()) +
                     ",\"idempotent\":" + idempotent());
  std::vector<std::thread> threads;
  if (options["roles"].find("consume") != std::string::npos)
    for (long long m = 0; m < std::stoll(option("members", "1")); m++)
      threads.emplace_back(consume, m);
  if (options["roles"].find("produce") != std::string::npos) threads.emplace_back(produce);
  for (std::string line; std::getline(std::cin, line);)
    if (line == "quiet") quiet = true;
  quiet = stop = true;
  for (auto& thread : threads) thread.join();
  event("closed");
}
