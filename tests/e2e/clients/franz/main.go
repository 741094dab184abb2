// A franz-go program: producer and group members, by key=value options (see ../README.md).
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

type fields map[string]any

var (
	options = map[string]string{}
	client  string
	output  sync.Mutex
	quiet   atomic.Bool
)

func event(name string, more fields) {
	line := fields{"time": float64(time.Now().UnixMilli()) / 1000, "event": name, "client": client}
	for k, v := range more {
		line[k] = v
	}
	text, _ := json.Marshal(line)
	output.Lock()
	defer output.Unlock()
	fmt.Println(string(text))
}

func option(key, otherwise string) string {
	if v, ok := options[key]; ok {
		return v
	}
	return otherwise
}

func number(key string, otherwise int) int {
	if n, err := strconv.Atoi(option(key, "")); err == nil {
		return n
	}
	return otherwise
}

func milliseconds(key string, otherwise int) time.Duration {
	return time.Duration(number(key, otherwise)) * time.Millisecond
}

func settings(more ...kgo.Opt) []kgo.Opt {
	logger := kgo.BasicLogger(os.Stderr, kgo.LogLevelWarn, nil)
	return append([]kgo.Opt{kgo.SeedBrokers(strings.Split(options["bootstrap"], ",")...), kgo.ClientID(client), kgo.WithLogger(logger)}, more...)
}

func produce(wait *sync.WaitGroup) {
	defer wait.Done()
	c, err := kgo.NewClient(settings(kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(milliseconds("linger", 2)))...)
	if err != nil {
		panic(err)
	}
	topic, partitions, count := options["topic"], number("partitions", 1), number("count", 0)
	padding := strings.Repeat(" ", number("size", 0))
	begin, rate, n := time.Now(), float64(number("rate", 100)), 0
	for ; !quiet.Load() && (count == 0 || n < count); n++ {
		value, partition := fmt.Sprintf("%s:%d", client, n), int32(n%partitions)
		event("sent", fields{"topic": topic, "partition": partition, "value": value})
		record := &kgo.Record{Topic: topic, Partition: partition, Value: []byte(value + padding)}
		c.Produce(context.Background(), record, func(r *kgo.Record, err error) {
			if err != nil {
				event("error", fields{"what": "produce", "text": err.Error(), "value": value})
			} else {
				event("acked", fields{"topic": topic, "partition": r.Partition, "offset": r.Offset, "value": value})
			}
		})
		time.Sleep(time.Until(begin.Add(time.Duration(float64(n+1) / rate * 1e9))))
	}
	if err := c.Flush(context.Background()); err != nil {
		event("error", fields{"what": "flush", "text": err.Error()})
	}
	event("produced", fields{"count": n})
	c.Close()
}

func names(partitions map[string][]int32) []string {
	list := []string{}
	for topic, numbers := range partitions {
		for _, p := range numbers {
			list = append(list, fmt.Sprintf("%s-%d", topic, p))
		}
	}
	return list
}

func consume(stop context.Context, member int, wait *sync.WaitGroup) {
	defer wait.Done()
	say := func(name string) func(context.Context, *kgo.Client, map[string][]int32) {
		return func(_ context.Context, _ *kgo.Client, m map[string][]int32) {
			event(name, fields{"member": member, "partitions": names(m)})
		}
	}
	c, err := kgo.NewClient(settings(kgo.ConsumeTopics(options["topic"]), kgo.ConsumerGroup(options["group"]),
		kgo.DisableAutoCommit(), kgo.BlockRebalanceOnPoll(), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchMinBytes(10000), kgo.FetchMaxWait(milliseconds("fetch_wait", 100)),
		kgo.HeartbeatInterval(time.Second), kgo.SessionTimeout(20*time.Second),
		kgo.OnPartitionsAssigned(say("assigned")), kgo.OnPartitionsRevoked(say("revoked")), kgo.OnPartitionsLost(say("lost")))...)
	if err != nil {
		panic(err)
	}
	for stop.Err() == nil {
		fetches := c.PollFetches(stop)
		fetches.EachError(func(t string, p int32, err error) {
			if stop.Err() == nil {
				event("error", fields{"what": "consume", "member": member, "text": err.Error(), "partition": p})
			}
		})
		next := map[int32]int64{}
		fetches.EachRecord(func(r *kgo.Record) {
			event("polled", fields{"member": member, "topic": r.Topic, "partition": r.Partition, "offset": r.Offset,
				"value": strings.TrimRight(string(r.Value), " ")})
			next[r.Partition] = r.Offset + 1
		})
		if len(next) > 0 {
			if err := c.CommitUncommittedOffsets(context.Background()); err != nil {
				event("error", fields{"what": "commit", "member": member, "text": err.Error()})
			} else {
				for p, o := range next {
					event("committed", fields{"member": member, "topic": options["topic"], "partition": p, "offset": o})
				}
			}
		}
		c.AllowRebalance()
	}
	c.Close()
}

func version() string {
	info, _ := debug.ReadBuildInfo()
	for _, module := range info.Deps {
		if module.Path == "github.com/twmb/franz-go" {
			return module.Version
		}
	}
	return "unknown"
}

func main() {
	for _, arg := range os.Args[1:] {
		key, value, _ := strings.Cut(arg, "=")
		options[key] = value
	}
	client = option("client", "franz")
	event("start", fields{"library": "franz-go", "version": version()})
	stop, cancel := context.WithCancel(context.Background())
	var wait sync.WaitGroup
	if strings.Contains(options["roles"], "consume") {
		for m := 0; m < number("members", 1); m++ {
			wait.Add(1)
			go consume(stop, m, &wait)
		}
	}
	if strings.Contains(options["roles"], "produce") {
		wait.Add(1)
		go produce(&wait)
	}
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		if in.Text() == "quiet" {
			quiet.Store(true)
		}
	}
	quiet.Store(true)
	cancel()
	wait.Wait()
	event("closed", nil)
}
