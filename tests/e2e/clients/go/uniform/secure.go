package uniform

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"time"
)

// Login is who the program is to a server that wants SASL.
type Login struct{ Mechanism, User, Password string }

// TLS is nil without tls_ca. It trusts this CA alone; the libraries put each broker's host name in, and Go verifies it.
func TLS() *tls.Config {
	if Option("tls_ca", "") == "" {
		if Option("tls_cert", "")+Option("tls_key", "") != "" {
			usage("tls_cert= and tls_key= want tls_ca=")
		}
		return nil
	}
	pem, err := os.ReadFile(Option("tls_ca", ""))
	Must(err)
	c := &tls.Config{RootCAs: x509.NewCertPool()}
	if !c.RootCAs.AppendCertsFromPEM(pem) {
		usage("tls_ca: no certificate in it")
	}
	if Option("tls_cert", "")+Option("tls_key", "") != "" {
		own, err := tls.LoadX509KeyPair(Option("tls_cert", ""), Option("tls_key", ""))
		Must(err)
		c.Certificates = []tls.Certificate{own}
	}
	return c
}

// SASL is nil without the option; `knows` are the mechanisms of the library.
func SASL(knows ...string) *Login {
	name := Choose("sasl", "", knows...)
	if name == "" {
		return nil
	}
	l := &Login{name, Option("user", ""), Option("password", "")}
	if l.User == "" || l.Password == "" && name != "OAUTHBEARER" {
		usage(fmt.Sprintf("sasl=%s wants user= and password=", name))
	}
	return l
}

// Token is an unsecured JWT of the user, valid for an hour from now.
func (l Login) Token() string {
	part := func(claims Fields) string {
		text, _ := json.Marshal(claims)
		return base64.RawURLEncoding.EncodeToString(text)
	}
	now := time.Now().Unix()
	return part(Fields{"alg": "none"}) + "." + part(Fields{"sub": l.User, "iat": now, "exp": now + 3600}) + "."
}
