// A franz-go program: producer and group members (see ../../README.md).
package main

import (
	"context"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	u "shunt.test/clients/uniform"
)

var acks = map[string]kgo.Acks{"0": kgo.NoAck(), "1": kgo.LeaderAck(), "all": kgo.AllISRAcks()}

var codecs = map[string]kgo.CompressionCodec{"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(),
	"snappy": kgo.SnappyCompression(), "lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression()}

func create(more ...kgo.Opt) *kgo.Client {
	logger := kgo.BasicLogger(os.Stderr, kgo.LogLevelWarn, nil)
	more = append(more, security()...)
	c, err := kgo.NewClient(append(more, kgo.SeedBrokers(u.Bootstrap()...), kgo.ClientID(u.Client), kgo.WithLogger(logger))...)
	u.Must(err)
	return c
}

func produce() {
	settings := []kgo.Opt{kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(u.Milliseconds("linger", 2)),
		kgo.RequiredAcks(acks[u.Acks()])}
	if codec := u.Compression(); codec != "" {
		settings = append(settings, kgo.ProducerBatchCompression(codecs[codec]))
	}
	if !u.Idempotent() {
		settings = append(settings, kgo.DisableIdempotentWrite())
	}
	c := create(settings...)
	n := u.Records(func(partition int32, name string, value []byte) {
		record := &kgo.Record{Topic: u.Topic(), Partition: partition, Value: value}
		c.Produce(context.Background(), record, func(r *kgo.Record, err error) {
			if err != nil {
				u.Failed("produce", err, name)
			} else {
				u.Acked(r.Partition, r.Offset, name)
			}
		})
	})
	if err := c.Flush(context.Background()); err != nil {
		u.Event("error", u.Fields{"what": "flush", "text": err.Error()})
	}
	u.Event("produced", u.Fields{"count": n})
	c.Close()
}

func consumer(member int) *kgo.Client {
	fetch := []kgo.Opt{kgo.FetchMinBytes(10000), kgo.FetchMaxWait(u.Milliseconds("fetch_wait", 100))}
	if u.Group() == "" {
		all := map[int32]kgo.Offset{}
		for _, p := range u.Partitions() {
			all[p] = kgo.NewOffset().AtStart()
		}
		u.Held("assigned", member, u.Partitions())
		return create(append(fetch, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{u.Topic(): all}))...)
	}
	say := func(name string) func(context.Context, *kgo.Client, map[string][]int32) {
		return func(_ context.Context, _ *kgo.Client, m map[string][]int32) { u.Held(name, member, m[u.Topic()]) }
	}
	return create(append(fetch, kgo.ConsumeTopics(u.Topic()), kgo.ConsumerGroup(u.Group()),
		kgo.DisableAutoCommit(), kgo.BlockRebalanceOnPoll(), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.HeartbeatInterval(time.Second), kgo.SessionTimeout(20*time.Second),
		kgo.OnPartitionsAssigned(say("assigned")), kgo.OnPartitionsRevoked(say("revoked")), kgo.OnPartitionsLost(say("lost")))...)
}

func consume(stop context.Context, member int) {
	c := consumer(member)
	for stop.Err() == nil {
		fetches := c.PollFetches(stop)
		fetches.EachError(func(t string, p int32, err error) {
			if stop.Err() == nil {
				u.Event("error", u.Fields{"what": "consume", "member": member, "text": err.Error(), "partition": p})
			}
		})
		next := map[int32]int64{}
		fetches.EachRecord(func(r *kgo.Record) {
			u.Polled(member, r.Partition, r.Offset, r.Value)
			next[r.Partition] = r.Offset + 1
		})
		if len(next) > 0 && u.Group() != "" {
			if err := c.CommitUncommittedOffsets(context.Background()); err != nil {
				u.Trouble("commit", member, err)
			} else {
				for p, o := range next {
					u.Committed(member, p, o)
				}
			}
		}
		c.AllowRebalance()
	}
	c.Close()
}

func main() {
	u.Run("franz-go", "github.com/twmb/franz-go", u.Idempotent(), produce, consume)
}
