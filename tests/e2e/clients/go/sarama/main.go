// A sarama program: asynchronous producer and group members (see ../../README.md).
//
// What the library calls an error of consuming goes to the log as `error`: the application gets it from a channel.
package main

import (
	"context"
	"log"
	"os"
	"sync"
	"time"

	"github.com/IBM/sarama"

	u "shunt.test/clients/uniform"
)

const pollMax = 100

var acks = map[string]sarama.RequiredAcks{"0": sarama.NoResponse, "1": sarama.WaitForLocal, "all": sarama.WaitForAll}

var codecs = map[string]sarama.CompressionCodec{"none": sarama.CompressionNone,
	"gzip": sarama.CompressionGZIP, "snappy": sarama.CompressionSnappy, "lz4": sarama.CompressionLZ4, "zstd": sarama.CompressionZSTD}

func config(name string) *sarama.Config {
	c := sarama.NewConfig()
	c.ClientID = name
	secure(c)
	if version := u.Option("c.version", ""); version != "" {
		var err error
		c.Version, err = sarama.ParseKafkaVersion(version)
		u.Must(err)
	}
	return c
}

func produce() {
	c := config(u.Client)
	c.Producer.Partitioner = sarama.NewManualPartitioner
	c.Producer.Return.Successes = true
	c.Producer.Flush.Frequency = u.Milliseconds("linger", 2)
	c.Producer.RequiredAcks = acks[u.Acks()]
	c.Producer.Compression = codecs[u.Compression()]
	if u.Idempotent() {
		c.Producer.Idempotent, c.Net.MaxOpenRequests = true, 1
	}
	u.Must(c.Validate())
	producer := must(sarama.NewAsyncProducer(u.Bootstrap(), c))
	var wait, answered sync.WaitGroup
	wait.Go(func() {
		for m := range producer.Successes() {
			u.Acked(m.Partition, m.Offset, m.Metadata.(string))
			answered.Done()
		}
	})
	wait.Go(func() {
		for e := range producer.Errors() {
			u.Failed("produce", e.Err, e.Msg.Metadata.(string))
			answered.Done()
		}
	})
	n := u.Records(func(partition int32, name string, value []byte) {
		answered.Add(1)
		producer.Input() <- &sarama.ProducerMessage{Topic: u.Topic(), Partition: partition,
			Value: sarama.ByteEncoder(value), Metadata: name}
	})
	answered.Wait()
	u.Event("produced", u.Fields{"count": n})
	producer.AsyncClose()
	wait.Wait()
}

type handler struct{ member int }

func (h handler) Setup(s sarama.ConsumerGroupSession) error {
	u.Held("assigned", h.member, s.Claims()[u.Topic()])
	return nil
}

func (h handler) Cleanup(s sarama.ConsumerGroupSession) error {
	u.Held("revoked", h.member, s.Claims()[u.Topic()])
	return nil
}

// ConsumeClaim runs once per partition: a batch is what is there, and is committed by itself.
func (h handler) ConsumeClaim(s sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for m := range claim.Messages() {
		for n := 1; ; n++ {
			u.Polled(h.member, m.Partition, m.Offset, m.Value)
			s.MarkMessage(m, "")
			more := false
			if n < pollMax {
				m, more = next(claim.Messages(), m)
			}
			if !more {
				break
			}
		}
		s.Commit() // its errors come through the group's channel
		u.Committed(h.member, m.Partition, m.Offset+1)
	}
	return nil
}

// next is the message that is there already, else `last` again.
func next(messages <-chan *sarama.ConsumerMessage, last *sarama.ConsumerMessage) (*sarama.ConsumerMessage, bool) {
	select {
	case m, ok := <-messages:
		if ok {
			return m, true
		}
	default:
	}
	return last, false
}

func consume(stop context.Context, member int) {
	c := config(u.Client)
	c.Consumer.Offsets.Initial = sarama.OffsetOldest
	c.Consumer.Offsets.AutoCommit.Enable = false
	c.Consumer.Return.Errors = true
	c.Consumer.Fetch.Min = 10000
	c.Consumer.MaxWaitTime = u.Milliseconds("fetch_wait", 100)
	c.Consumer.Group.Heartbeat.Interval = time.Second
	c.Consumer.Group.Session.Timeout = 20 * time.Second
	if u.Group() == "" {
		assigned(stop, c, member)
		return
	}
	group := must(sarama.NewConsumerGroup(u.Bootstrap(), u.Group(), c))
	var wait sync.WaitGroup
	wait.Go(func() {
		for err := range group.Errors() {
			u.Trouble("consume", member, err)
		}
	})
	for stop.Err() == nil {
		if err := group.Consume(stop, []string{u.Topic()}, handler{member}); err != nil && stop.Err() == nil {
			u.Trouble("group", member, err)
			time.Sleep(200 * time.Millisecond)
		}
	}
	if err := group.Close(); err != nil {
		u.Trouble("close", member, err)
	}
	wait.Wait()
}

// assigned reads without a group.
func assigned(stop context.Context, c *sarama.Config, member int) {
	consumer := must(sarama.NewConsumer(u.Bootstrap(), c))
	var wait sync.WaitGroup
	for _, p := range u.Partitions() {
		reader := must(consumer.ConsumePartition(u.Topic(), p, sarama.OffsetOldest))
		wait.Go(func() {
			for m := range reader.Messages() {
				u.Polled(member, m.Partition, m.Offset, m.Value)
			}
		})
		wait.Go(func() {
			for err := range reader.Errors() {
				u.Trouble("consume", member, err)
			}
		})
		context.AfterFunc(stop, reader.AsyncClose)
	}
	u.Held("assigned", member, u.Partitions())
	wait.Wait()
	consumer.Close()
}

// must ends the program: sarama's constructors fail when no broker answers.
func must[T any](made T, err error) T {
	if err != nil {
		u.Event("error", u.Fields{"what": "start", "text": err.Error()})
		os.Exit(1)
	}
	return made
}

func main() {
	sarama.Logger = log.New(os.Stderr, "", log.LstdFlags) // all levels in one: too much for `warning`
	u.Run("sarama", "github.com/IBM/sarama", u.Idempotent(), produce, consume)
}
