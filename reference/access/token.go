package access

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/adit-tunnel/adit/reference/files"
)

// Audience is what a token's aud has to name: one that was made for another service is of no use here.
const Audience = "adit"

const (
	leastSecret = 32               // characters of a secret that tokens are made with
	clockSkew   = 10 * time.Second // that the clock of whoever made a token may differ by
)

// claims are what a token says.
type claims struct {
	Role string `json:"role"`
	jwt.RegisteredClaims
}

// verifier checks tokens by one key, and by the algorithms of that key alone: a token does not choose.
type verifier struct {
	key    any
	parser *jwt.Parser
}

func newVerifier(key any, algorithms ...string) *verifier {
	return &verifier{key, jwt.NewParser(jwt.WithValidMethods(algorithms), jwt.WithAudience(Audience), jwt.WithExpirationRequired(),
		jwt.WithLeeway(clockSkew), jwt.WithStrictDecoding())}
}

// check says whom a token is for. What it says is looked at when its signature is right.
func (v *verifier) check(token string) (Who, error) {
	var c claims
	_, err := v.parser.ParseWithClaims(token, &c, func(*jwt.Token) (any, error) { return v.key, nil })
	for _, why := range []struct {
		is   error
		text string
	}{
		{jwt.ErrTokenMalformed, "the token is malformed; send it as it was given out"},
		{jwt.ErrTokenSignatureInvalid, "the token was not made with the key of this server; get one that was (adit-server token NAME, where it has a secret)"},
		{jwt.ErrTokenUnverifiable, "the token was not made with the key of this server; get one that was (adit-server token NAME, where it has a secret)"},
		{jwt.ErrTokenRequiredClaimMissing, "the token lacks exp or aud; get one that has an end, and aud " + Audience},
		{jwt.ErrTokenExpired, "the token has expired; get a new one"},
		{jwt.ErrTokenNotValidYet, "the token is not valid yet; look at the clocks"},
		{jwt.ErrTokenUsedBeforeIssued, "the token was made in the future; look at the clocks"},
		{jwt.ErrTokenInvalidAudience, "the token is for another service; get one with aud " + Audience},
	} {
		if errors.Is(err, why.is) {
			return Who{}, errors.New(why.text)
		}
	}
	if err != nil {
		return Who{}, errors.New("the token cannot be used; get a new one")
	}
	role, err := ParseRole(c.Role)
	if err != nil {
		return Who{}, fmt.Errorf("the token's role: %w", err)
	}
	if c.Subject == "" {
		return Who{}, errors.New("the token lacks sub; get one that says whom it is for")
	}
	return Who{c.Subject, role}, nil
}

// readVerifier reads a public key in PEM form, or else a secret, which is its owner's alone.
func readVerifier(path string) (*verifier, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		secret, err := readSecret(path)
		return newVerifier(secret, "HS256"), err
	}
	public, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil || block.Type != "PUBLIC KEY" {
		return nil, fmt.Errorf("%s has a %s, and checking tokens takes the public key alone; make that by: openssl pkey -in FILE -pubout -out NEW", path, block.Type)
	}
	switch k := public.(type) {
	case *rsa.PublicKey:
		if k.Size() < 256 {
			return nil, fmt.Errorf("%s has an RSA key of %d bits; tokens take one of 2048 at least", path, 8*k.Size())
		}
		return newVerifier(k, "RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), nil
	case *ecdsa.PublicKey:
		return newVerifier(k, "ES256", "ES384", "ES512"), nil
	case ed25519.PublicKey:
		return newVerifier(k, "EdDSA"), nil
	}
	return nil, fmt.Errorf("%s has a key of a kind that tokens do not have; make one of RSA, of an elliptic curve, or Ed25519", path)
}

func readSecret(path string) ([]byte, error) {
	text, err := files.ReadPrivate(path, "whoever has the secret can make tokens")
	if err != nil {
		return nil, err
	}
	text = strings.TrimSpace(text)
	if len(text) < leastSecret {
		return nil, fmt.Errorf("%s has a secret of %d characters; tokens take %d at least: openssl rand -hex 32 makes one", path, len(text), leastSecret)
	}
	return []byte(text), nil
}

// NewToken makes a token with the secret of a file, which is made if there is none.
func NewToken(path, name string, role Role, lifetime time.Duration) (string, error) {
	if err := checkName(name); err != nil {
		return "", err
	}
	if lifetime < time.Second {
		return "", fmt.Errorf("a token of %v would have expired before its use; give it 1s at least", lifetime)
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		secret := make([]byte, 32)
		rand.Read(secret)
		if err := files.AddLine(path, base64.RawURLEncoding.EncodeToString(secret)); err != nil {
			return "", err
		}
	}
	v, err := readVerifier(path)
	if err != nil {
		return "", err
	}
	secret, ok := v.key.([]byte)
	if !ok {
		return "", fmt.Errorf("%s is a public key; whoever has the private one makes tokens", path)
	}
	now := time.Now()
	return jwt.NewWithClaims(jwt.SigningMethodHS256, claims{string(role), jwt.RegisteredClaims{
		Subject: name, Audience: jwt.ClaimStrings{Audience}, IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(lifetime)),
	}}).SignedString(secret)
}
