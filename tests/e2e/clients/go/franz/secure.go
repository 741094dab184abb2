package main

import (
	"context"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/oauth"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	u "shunt.test/clients/uniform"
)

// security is the options tls_* and sasl as the library's.
func security() (settings []kgo.Opt) {
	if c := u.TLS(); c != nil {
		settings = append(settings, kgo.DialTLSConfig(c))
	}
	if l := u.SASL("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"); l != nil {
		settings = append(settings, kgo.SASL(mechanism(l)))
	}
	return
}

func mechanism(l *u.Login) sasl.Mechanism {
	switch l.Mechanism {
	case "PLAIN":
		return plain.Auth{User: l.User, Pass: l.Password}.AsMechanism()
	case "SCRAM-SHA-256":
		return scram.Auth{User: l.User, Pass: l.Password}.AsSha256Mechanism()
	case "SCRAM-SHA-512":
		return scram.Auth{User: l.User, Pass: l.Password}.AsSha512Mechanism()
	}
	return oauth.Oauth(func(context.Context) (oauth.Auth, error) { return oauth.Auth{Token: l.Token()}, nil })
}
