package wire_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/adit-tunnel/adit/spec"
	"github.com/adit-tunnel/adit/spec/wire"
)

// readAuth is readExt for a side with the option auth.
func readAuth(b []byte, role string) (f spec.Decoded, again []byte, short bool, err error) {
	h, err := wire.ParseHeader(b)
	if err != nil || h.Type != wire.TypeAuth {
		return readExt(b, role, wire.TagAuth)
	}
	if len(b) < wire.HeaderLen+int(h.Length) {
		return f, nil, true, nil
	}
	proof, ok, err := wire.ParseAuth(b[wire.HeaderLen:])
	if !ok {
		return spec.Decoded{Type: h.Type.String(), Form: "empty"}, wire.AppendAuthEmpty(nil), false, err
	}
	return spec.Decoded{Type: h.Type.String(), Form: "proof", Proof: octets(proof[:])}, wire.AppendAuth(nil, proof), false, err
}

func TestAuthFrameVectors(t *testing.T) {
	n := 0
	for v := range spec.AuthVectors("frame") {
		n++
		t.Run(v.ID, func(t *testing.T) {
			b := v.Octets.Bytes()
			f, again, short, err := readAuth(b, v.Role)
			if v.Expect == "reject" && v.Error.Layer != "type" {
				wantViolation(t, err, v.Error)
				return
			}
			if err != nil || short || !equalExt(f, *v.Frame) || !bytes.Equal(again, b) {
				t.Fatalf("read %+v, short %v, %v; want %+v, which encodes to itself", f, short, err, *v.Frame)
			}
			for _, n := range truncations(len(b)) {
				if _, _, short, err := readAuth(b[:n], v.Role); err != nil || !short {
					t.Fatalf("the first %d of %d bytes: short %v, %v; want an incomplete frame", n, len(b), short, err)
				}
			}
		})
	}
	if n < 20 {
		t.Fatalf("%d frame vectors of the option auth; want 20 and more", n)
	}
}

// A side without the option knows neither the tag nor the frame: what the tag says is not looked at, and what agrees to it is refused.
func TestWithoutTheOption(t *testing.T) {
	n := 0
	for v := range spec.AuthVectors("frame") {
		p := v.Octets.Bytes()[wire.HeaderLen:]
		if typ := wire.Type(v.Octets.Bytes()[1]); typ != wire.TypeHello {
			if h := (wire.Header{Type: typ, Length: uint32(len(p))}); typ.Known() || typ.Extended() || h.CheckLength() != nil || h.CheckExtLength() != nil {
				t.Errorf("%s: a side without the option knows AUTH", v.ID)
			}
			continue
		}
		if v.ID == "frame_hello_auth_cut" { // TLVs end where the payload does, known or not
			continue
		}
		n++
		if h, err := wire.ParseHello(p, true); err != nil || h.Auth != nil {
			t.Errorf("%s: ParseHello of a server without the option = %+v, %v", v.ID, h, err)
		}
		_, err := wire.ParseHello(p, false)
		if e, ok := errors.AsType[*wire.Violation](err); !ok || e.Req != "HELLO-005" {
			t.Errorf("%s: ParseHello of a client that did not offer auth = %v; want HELLO-005", v.ID, err)
		}
	}
	if n < 15 {
		t.Fatalf("%d HELLOs with auth", n)
	}
}

func TestAuthSizesAreThoseOfTheTable(t *testing.T) {
	for f := range spec.AuthFrames() {
		for n := range 100 {
			fits := slices.ContainsFunc(f.Forms, func(m spec.Form) bool { return n >= m.Min && n <= m.Max })
			proof, ok, err := wire.ParseAuth(bytes.Repeat([]byte{7}, n))
			if (err == nil) != fits || ok != (fits && n > 0) || ok && proof != wire.Proof(bytes.Repeat([]byte{7}, 32)) {
				t.Errorf("ParseAuth of %d bytes = %x, %v, %v; the table allows it: %v", n, proof, ok, err, fits)
			}
		}
	}
}

// AUTH-013: every size of the tag, from both roles, of scheme 1 and of others.
func TestTheTagAuth(t *testing.T) {
	for _, client := range []bool{true, false} {
		for _, scheme := range []byte{0, 1, 2, 255} {
			for n := range 110 {
				v := bytes.Repeat([]byte{'k'}, n)
				if n > 0 {
					v[0] = scheme
				}
				fits := n > 0 && scheme != 1 || n == 34 && !client || n >= 35 && n <= 98 && client
				h, err := wire.ParseHello(wire.AppendTLV(nil, wire.TagAuth, v), client, wire.TagAuth)
				e, violated := errors.AsType[*wire.Violation](err)
				switch {
				case fits != (err == nil) || !fits && (!violated || e.Req != "AUTH-013" || e.Scope != wire.ScopeTunnel):
					t.Errorf("client %v, scheme %d, %d bytes: %v; want it accepted: %v, else AUTH-013", client, scheme, n, err, fits)
				case fits && h.Auth.Scheme != scheme:
					t.Errorf("client %v, scheme %d, %d bytes: scheme %d", client, scheme, n, h.Auth.Scheme)
				case fits && scheme == 1 && (h.Auth.Binding != 'k' || h.Auth.KeyID != string(v[34:]) || !bytes.Equal(h.Auth.Nonce[:], v[2:34])):
					t.Errorf("client %v, %d bytes: %+v", client, n, h.Auth)
				case fits && scheme == 1 && !bytes.Contains(wire.AppendHello(nil, h, client), wire.AppendTLV(nil, wire.TagAuth, v)):
					t.Errorf("client %v, %d bytes: not written again", client, n)
				}
			}
		}
	}
}

func TestProofVectors(t *testing.T) {
	n := 0
	for v := range spec.AuthVectors("proof") {
		n++
		p := v.Proofs
		secret, cb := wire.Secret(p.Key.Secret.Bytes()), wire.CB(p.CB.Bytes())
		both := wire.TranscriptOf(p.ClientHello.Bytes(), p.ServerHello.Bytes())
		server, client := secret.ServerProof(cb, both), secret.ClientProof(cb, both)
		if !bytes.Equal(both[:], p.T.Bytes()) || !bytes.Equal(server[:], p.Server.Bytes()) || !bytes.Equal(client[:], p.Client.Bytes()) {
			t.Errorf("%s: T %x, proofs %x and %x; want %s, %s and %s", v.ID, both, server, client, p.T, p.Server, p.Client)
		}
		if !server.Equal(wire.Proof(p.Server.Bytes())) || server.Equal(client) {
			t.Errorf("%s: the server's proof is equal to itself: %v, to the client's: %v", v.ID, server.Equal(server), server.Equal(client))
		}
		if p.Binding == wire.BindingCertificate && wire.CertificateCB(p.Certificate.Bytes()) != cb {
			t.Errorf("%s: the certificate makes %x", v.ID, wire.CertificateCB(p.Certificate.Bytes()))
		}
		for client, hello := range map[bool][]byte{true: p.ClientHello.Bytes(), false: p.ServerHello.Bytes()} {
			h, err := wire.ParseHello(hello[wire.HeaderLen:], client, wire.TagAuth)
			if err != nil || h.Auth == nil || h.Auth.Scheme != wire.SchemeHMAC || h.Auth.Binding != p.Binding || client && h.Auth.KeyID != p.Key.ID {
				t.Errorf("%s: the HELLO, of a client %v, says %+v, %v", v.ID, client, h.Auth, err)
			}
		}
	}
	if n < 4 {
		t.Fatalf("%d vectors of proofs; want 4 and more", n)
	}
}

// A proof differs from every other in each of its bits.
func TestProofsAreComparedWhole(t *testing.T) {
	for i := range 8 * wire.ProofLen {
		var p, q wire.Proof
		if q[i/8] ^= 1 << (i % 8); p.Equal(q) {
			t.Errorf("bit %d is not compared", i)
		}
	}
}

func TestKeyVectors(t *testing.T) {
	n := map[string]int{}
	for v := range spec.AuthVectors("key") {
		n[v.Expect]++
		k, err := wire.ParseKey(*v.Line)
		if v.Expect == "reject" {
			if err == nil {
				t.Errorf("%s: ParseKey(%q) = %+v; want an error", v.ID, *v.Line, k)
			}
			continue
		}
		if err != nil || k.ID != v.Key.ID || !bytes.Equal(k.Secret[:], v.Key.Secret.Bytes()) || k.Line() != *v.Line {
			t.Errorf("%s: ParseKey(%q) = %s, %x, %v; want %+v, which is written the same", v.ID, *v.Line, k.ID, k.Secret[:], err, v.Key)
		}
	}
	if n["accept"] < 5 || n["reject"] < 15 {
		t.Fatalf("vectors of keys: %v", n)
	}
}

// sayings are what ParseKey says of a line, numbers apart.
var sayings = regexp.MustCompile(`^(a key has adit1: in front` +
	`|a key has two colons: adit1:<key ID>:<secret>` +
	`|character N of the (key ID|secret) is none of A to Z, a to z, N to N, (dot, underscore and hyphen|hyphen and underscore)` +
	`|the (key ID|secret) has N characters; want N( to N)?` +
	`|the last character of the secret is none with which N bytes end; is it the right one\?)$`)

// AUTH-023: the part that is wrong is named, and nothing of the line is in the message.
func TestWhatIsWrongWithAKey(t *testing.T) {
	secret := strings.Repeat("A", 43)
	for line, want := range map[string]string{
		"":                                "adit1: in front",
		"adit1:" + secret:                 "two colons",
		"adit1:" + secret + ":home":       "the secret has 4 characters; want 43",
		"adit1:ho me:" + secret:           "character 3 of the key ID",
		"adit1:ho:me:" + secret:           "two colons",
		"adit1:home:" + secret[1:] + "\n": "character 43 of the secret",
		"adit1::" + secret:                "the key ID has 0 characters",
		"adit1:home:" + secret[1:]:        "the secret has 42 characters",
		"adit1:home:" + secret[1:] + "+":  "character 43 of the secret",
		"adit1:home:" + secret[1:] + "B":  "the last character of the secret",
	} {
		if _, err := wire.ParseKey(line); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseKey(%q) = %v; want %q", line, err, want)
		}
	}
}

func FuzzParseKey(f *testing.F) {
	n := 0
	for v := range spec.AuthVectors("key") {
		n++
		f.Add(*v.Line)
	}
	if n == 0 {
		f.Fatal("no vectors to start from")
	}
	number := regexp.MustCompile(`\d+`)
	f.Fuzz(func(t *testing.T, line string) {
		k, err := wire.ParseKey(line)
		switch {
		case err == nil && (k.Line() != line || !wire.ValidKeyID(k.ID)):
			t.Errorf("ParseKey(%q) is written as %q", line, k.Line())
		case err != nil && !sayings.MatchString(strings.ReplaceAll(number.ReplaceAllString(err.Error(), "N"), "aditN", "adit1")):
			t.Errorf("ParseKey(%q) = %v, which is none of what it says", line, err)
		}
	})
}

// A secret is printed in no way that prints what it is part of.
func TestSecretsAreNotPrinted(t *testing.T) {
	k := wire.Key{ID: "home", Secret: wire.Secret(bytes.Repeat([]byte{0x5A}, wire.SecretLen))}
	asJSON, err := json.Marshal(k)
	if err != nil {
		t.Fatal(err)
	}
	shown := []string{string(asJSON)}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d", "%q"} {
		shown = append(shown, fmt.Sprintf(verb, k), fmt.Sprintf(verb, k.Secret), fmt.Sprintf(verb, &k))
	}
	for _, s := range shown {
		if !strings.Contains(s, "(secret)") || strings.Contains(strings.ToLower(s), "5a") || strings.Contains(s, "90") || strings.Contains(s, "ZZ") {
			t.Errorf("a key is shown as %s", s)
		}
	}
}
