// A kafka-go program: asynchronous Writer and group Readers (see ../../README.md).
//
// The library has no idempotent producer, and its Reader tells nobody what it reads: only its log does. Client ids
// are left as the library makes them (none in the Writer, the program's name and host in the Reader).
package main

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	u "shunt.test/clients/uniform"
)

const pollMax = 100

var acks = map[string]kafka.RequiredAcks{"0": kafka.RequireNone, "1": kafka.RequireOne, "all": kafka.RequireAll}

var codecs = map[string]kafka.Compression{"gzip": kafka.Gzip, "snappy": kafka.Snappy, "lz4": kafka.Lz4, "zstd": kafka.Zstd}

type place struct {
	partition int32
	name      string
}

func warn(what string) kafka.LoggerFunc {
	return func(format string, args ...any) {
		u.Event("warning", u.Fields{"what": what, "text": strings.TrimSpace(fmt.Sprintf(format, args...))})
	}
}

func produce() {
	w := &kafka.Writer{Addr: kafka.TCP(u.Bootstrap()...), Topic: u.Topic(), Async: true, BatchTimeout: u.Milliseconds("linger", 2),
		Transport: transport(), RequiredAcks: acks[u.Acks()], Compression: codecs[u.Compression()], ErrorLogger: warn("writer"),
		Balancer: kafka.BalancerFunc(func(m kafka.Message, _ ...int) int { return int(m.WriterData.(place).partition) }),
		Completion: func(messages []kafka.Message, err error) {
			for _, m := range messages {
				if at := m.WriterData.(place); err != nil {
					u.Failed("produce", err, at.name)
				} else {
					u.Acked(at.partition, m.Offset, at.name)
				}
			}
		}}
	n := u.Records(func(partition int32, name string, value []byte) {
		if err := w.WriteMessages(context.Background(), kafka.Message{Value: value, WriterData: place{partition, name}}); err != nil {
			u.Failed("send", err, name)
		}
	})
	if err := w.Close(); err != nil { // its way to flush
		u.Event("error", u.Fields{"what": "close", "text": err.Error()})
	}
	u.Event("produced", u.Fields{"count": n})
}

var number = regexp.MustCompile(`partition:(\d+)`)

// assignments makes the events assigned and revoked of the Reader's log.
func assignments(member int) kafka.LoggerFunc {
	held := []int{}
	var lock sync.Mutex
	return func(format string, args ...any) {
		lock.Lock()
		defer lock.Unlock()
		switch {
		case strings.HasPrefix(format, "subscribed to topics and partitions"):
			for _, found := range number.FindAllStringSubmatch(fmt.Sprintf("%+v", args[0]), -1) {
				p, _ := strconv.Atoi(found[1])
				held = append(held, p)
			}
			u.Held("assigned", member, held)
		case strings.HasPrefix(format, "stopped commit for group"):
			u.Held("revoked", member, held)
			held = []int{}
		}
	}
}

func settings() kafka.ReaderConfig {
	return kafka.ReaderConfig{Brokers: u.Bootstrap(), Dialer: dialer(), Topic: u.Topic(), ErrorLogger: warn("reader"),
		MinBytes: 10000, MaxBytes: 1e6, MaxWait: u.Milliseconds("fetch_wait", 100)}
}

func consume(stop context.Context, member int) {
	config := settings()
	if u.Group() == "" {
		assigned(stop, config, member)
		return
	}
	config.GroupID, config.StartOffset = u.Group(), kafka.FirstOffset
	config.HeartbeatInterval, config.SessionTimeout = time.Second, 20*time.Second
	config.Logger = assignments(member)
	r := kafka.NewReader(config)
	for stop.Err() == nil {
		batch := poll(stop, r, member)
		if len(batch) == 0 {
			continue
		}
		if err := r.CommitMessages(context.Background(), batch...); err != nil {
			u.Trouble("commit", member, err)
			continue
		}
		next := map[int]int64{}
		for _, m := range batch {
			next[m.Partition] = m.Offset + 1
		}
		for p, o := range next {
			u.Committed(member, int32(p), o)
		}
	}
	if err := r.Close(); err != nil {
		u.Trouble("close", member, err)
	}
}

// poll waits for one message and takes what else is there; each is logged at once.
func poll(stop context.Context, r *kafka.Reader, member int) (batch []kafka.Message) {
	for wait := stop; len(batch) < pollMax; {
		m, err := r.FetchMessage(wait)
		if err != nil {
			if wait.Err() == nil {
				u.Trouble("consume", member, err)
			}
			return
		}
		u.Polled(member, int32(m.Partition), m.Offset, m.Value)
		batch = append(batch, m)
		short, cancel := context.WithTimeout(stop, 2*time.Millisecond)
		defer cancel()
		wait = short
	}
	return
}

// assigned reads without a group: one Reader per partition is the library's way.
func assigned(stop context.Context, config kafka.ReaderConfig, member int) {
	var wait sync.WaitGroup
	for _, p := range u.Partitions() {
		config.Partition = int(p)
		r := kafka.NewReader(config)
		wait.Go(func() {
			for stop.Err() == nil {
				if m, err := r.FetchMessage(stop); err == nil {
					u.Polled(member, int32(m.Partition), m.Offset, m.Value)
				} else if stop.Err() == nil {
					u.Trouble("consume", member, err)
				}
			}
			r.Close()
		})
	}
	u.Held("assigned", member, u.Partitions())
	wait.Wait()
}

func main() {
	u.Choose("idempotent", "false", "false")
	u.Run("kafka-go", "github.com/segmentio/kafka-go", false, produce, consume)
}
