package main

import (
	"github.com/IBM/sarama"
	"github.com/xdg-go/scram"

	u "shunt.test/clients/uniform"
)

var hashes = map[string]scram.HashGeneratorFcn{"SCRAM-SHA-256": scram.SHA256, "SCRAM-SHA-512": scram.SHA512}

// secure puts the options tls_* and sasl in.
func secure(c *sarama.Config) {
	if t := u.TLS(); t != nil {
		c.Net.TLS.Enable, c.Net.TLS.Config = true, t
	}
	l := u.SASL("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER")
	if l == nil {
		return
	}
	s := &c.Net.SASL
	s.Enable, s.Mechanism, s.User, s.Password = true, sarama.SASLMechanism(l.Mechanism), l.User, l.Password
	if hash, ok := hashes[l.Mechanism]; ok {
		s.SCRAMClientGeneratorFunc = func() sarama.SCRAMClient { return &conversation{hash: hash} }
	}
	s.TokenProvider = tokens{l}
}

// conversation is what the library wants of a SCRAM implementation: it brings none.
type conversation struct {
	*scram.ClientConversation
	hash scram.HashGeneratorFcn
}

func (c *conversation) Begin(user, password, authzID string) error {
	client, err := c.hash.NewClient(user, password, authzID)
	if err == nil {
		c.ClientConversation = client.NewConversation()
	}
	return err
}

type tokens struct{ *u.Login }

func (t tokens) Token() (*sarama.AccessToken, error) {
	return &sarama.AccessToken{Token: t.Login.Token()}, nil
}
