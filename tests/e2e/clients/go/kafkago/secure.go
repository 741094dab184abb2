package main

import (
	"net"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"

	u "shunt.test/clients/uniform"
)

// mechanism is nil without the option sasl. The library has no OAUTHBEARER.
func mechanism() sasl.Mechanism {
	algorithms := map[string]scram.Algorithm{"SCRAM-SHA-256": scram.SHA256, "SCRAM-SHA-512": scram.SHA512}
	l := u.SASL("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
	if l == nil {
		return nil
	}
	if l.Mechanism == "PLAIN" {
		return plain.Mechanism{Username: l.User, Password: l.Password}
	}
	made, err := scram.Mechanism(algorithms[l.Mechanism], l.User, l.Password)
	u.Must(err)
	return made
}

// transport is the Writer's, else like kafka.DefaultTransport.
func transport() *kafka.Transport {
	dial := (&net.Dialer{Timeout: 3 * time.Second}).DialContext
	return &kafka.Transport{Dial: dial, TLS: u.TLS(), SASL: mechanism()}
}

// dialer is the Readers', else like kafka.DefaultDialer.
func dialer() *kafka.Dialer {
	return &kafka.Dialer{Timeout: 10 * time.Second, DualStack: true, TLS: u.TLS(), SASLMechanism: mechanism()}
}
