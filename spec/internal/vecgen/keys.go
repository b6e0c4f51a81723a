package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/adit-tunnel/adit/spec"
)

// keyLine is a key as text.
func keyLine(id string, secret spec.Octets) string {
	return "adit1:" + id + ":" + base64.RawURLEncoding.EncodeToString(secret.Bytes())
}

// keys are lines that are keys, and lines that are none.
func keys() []spec.Vector {
	accept := func(id, title, keyID string, secret spec.Octets, notes string) spec.Vector {
		return spec.Vector{
			ID: "key_" + id, Kind: "key", Title: title, Requirements: []string{"AUTH-023"}, Role: "both", Notes: notes,
			Line: new(keyLine(keyID, secret)), Expect: "accept", Key: &spec.Key{ID: keyID, Secret: secret},
		}
	}
	reject := func(id, title, twin, line, notes string) spec.Vector {
		return spec.Vector{
			ID: "key_" + id, Kind: "key", Title: title, Requirements: []string{"AUTH-023"}, Role: "both", Notes: notes, Twin: "key_" + twin,
			Line: &line, Expect: "reject", Error: &spec.Failure{Layer: "content", Dies: "nothing", Requirement: "AUTH-023"},
		}
	}
	home, ones := keyLine(homeID, homeSecret), keyLine(homeID, "ff*32")
	secret := strings.TrimPrefix(home, "adit1:home:")
	cut := home[:len(home)-1] // without the last character, which is 8
	return []spec.Vector{
		accept("home", "a key", homeID, homeSecret, "The secret is the octets 00 to 1f."),
		accept("ones", "a key whose secret is all ones", homeID, "ff*32", "In the alphabet of base64url, not in that of base64."),
		accept("dashes", "a key whose secret has every kind of character", homeID, "fbefbe fffdff 000102030405060708090a0b0c0d0e0f10111213141516171819", ""),
		accept("id_one", "a key with the shortest key ID", "a", homeSecret, ""),
		accept("id_64", "a key with the longest key ID", strings.Repeat("a", largestID), homeSecret, ""),
		accept("id_alphabet", "a key whose ID has every kind of character", "AZaz09._-", homeSecret, ""),

		reject("none", "no octets", "home", "", ""),
		reject("version", "another number behind adit", "home", "adit2:home:"+secret, "It belongs to another form of key."),
		reject("case", "capital letters in front", "home", "ADIT1:home:"+secret, ""),
		reject("no_secret", "a key without secret", "home", "adit1:home", ""),
		reject("swapped", "a key with its parts in the other order", "home", "adit1:"+secret+":home", "What is said about it does not have the secret either."),
		reject("colon", "a key ID with a colon", "home", "adit1:ho:me:"+secret, ""),
		reject("id_none", "a key with a key ID of no octets", "id_one", "adit1::"+secret, ""),
		reject("id_65", "a key with a key ID of 65 octets", "id_64", "adit1:"+strings.Repeat("a", largestID+1)+":"+secret, ""),
		reject("id_space", "a key ID with a space", "home", "adit1:my home:"+secret, ""),
		reject("id_utf8", "a key ID with a letter that is not of ASCII", "home", "adit1:hôte:"+secret, ""),
		reject("secret_none", "a secret of no characters", "home", "adit1:home:", ""),
		reject("secret_42", "a secret one character too short", "home", cut, ""),
		reject("secret_44", "a secret with one character too many", "home", home+"A", ""),
		reject("secret_padded", "a secret with padding", "home", home+"=", ""),
		reject("secret_base64", "a secret in the alphabet of base64", "ones", strings.ReplaceAll(ones, "_", "/"), ""),
		reject("secret_bits", "a secret whose last character has bits behind the last octet", "home", cut+"9", "It would be a second spelling of the same key."),
		reject("secret_break", "a secret with a line break in the place of its last character", "home", "adit1:home:"+strings.Repeat("A", 42)+"\n", "Some decoders of base64 pass over it, and find 31 octets."),
		reject("secret_folded", "a secret with a line break in its middle", "home", home[:30]+"\n"+home[30:], "Some decoders of base64 pass over it."),
		reject("line_break", "a key with a line break behind it", "home", home+"\n", "Whoever reads lines takes it off before."),
		reject("space", "a key with a space in front", "home", " "+home, ""),
	}
}

// certificate is that of a server, for binding 2.
const certificate = spec.Octets("308201323081e5a003020102021408b902ad6e58be0fe076ec872a0556135b78b02b300506032b6570300f310d300b06035504030c0461646974" +
	"301e170d3236313132393136343132375a170d3336313132363136343132375a300f310d300b06035504030c0461646974302a300506032b6570032100842d0e203665fbe3cdb6" +
	"8cf83b463c765e25e8861e9f57738e4210a104b98d97a3533051301d0603551d0e0416041429d91fe4f0ca95bab40cd93195ba7aa769d8bb46301f0603551d2304183016801429" +
	"d91fe4f0ca95bab40cd93195ba7aa769d8bb46300f0603551d130101ff040530030101ff300506032b6570034100726aa24df6713b43d655caa38a74bce083cdf12dba14bccfcd" +
	"b6b633ba48c7aa339224011571a55bd9a08951715f65087cb797490f3bb2b0162137134b65ec0c")

// proofs are handshakes with auth as far as they do not depend on the transport's own secrets.
func proofs() []spec.Vector {
	proof := func(id, title, notes string, p spec.Proofs) spec.Vector {
		p.T, p.Server, p.Client = prove(p)
		return spec.Vector{ID: "proof_" + id, Kind: "proof", Title: title, Requirements: []string{"AUTH-002"}, Role: "both", Notes: notes, Proofs: &p}
	}
	// of is a handshake of the key home with a binding, both windows stated as 262,144.
	of := func(binding int, cb spec.Octets) spec.Proofs {
		return spec.Proofs{
			Key: spec.Key{ID: homeID, Secret: homeSecret}, Binding: uint8(binding), CB: cb,
			ClientHello: hello(windowTLV(262144), authTLV(binding, clientNonce, homeID)).octets,
			ServerHello: hello(windowTLV(262144), authTLV(binding, serverNonce, "")).octets,
		}
	}
	bound := of(2, hexOf(sum(certificate.Bytes())))
	bound.Certificate = certificate
	long := spec.Proofs{
		Key: spec.Key{ID: strings.Repeat("k", largestID), Secret: "ff*32"}, Binding: 1, CB: "0102030405060708*4",
		ClientHello: hello(tlv(tagGrease, "00*32"), tlv(tagAgent, str("adit/1.3")), tlv(tagName, str("home-1")), tlv(tagInstance, "07*16"),
			authTLV(1, clientNonce, strings.Repeat("k", largestID)), windowTLV(0), tlv(tagMaxConns, u32(1))).octets,
		ServerHello: hello(authTLV(1, serverNonce, ""), tlv(tagPrivate, times(0, 300)), tlv(tagAgent, str("other"))).octets,
	}
	return []spec.Vector{
		proof("binding_0", "proofs without TLS", "CB is 32 octets of zero. Section 30 has it as an example.", of(0, "00*32")),
		proof("binding_1", "proofs bound to the exporter of TLS", "CB stands for what the exporter gave.", of(1, "ee*32")),
		proof("binding_2", "proofs bound to the server's certificate", "CB is SHA-256 of the certificate.", bound),
		proof("whole_hellos", "proofs over HELLOs with everything in them", "Every octet of both HELLOs counts: headers, grease and private tags, in the order in which they were sent.", long),
	}
}

// prove is T and both proofs, as section 30 has them.
func prove(p spec.Proofs) (t, server, client spec.Octets) {
	both := sum(append(p.ClientHello.Bytes(), p.ServerHello.Bytes()...))
	mac := func(label string) spec.Octets {
		m := hmac.New(sha256.New, p.Key.Secret.Bytes())
		m.Write([]byte(label + "\x00"))
		m.Write(p.CB.Bytes())
		m.Write(both)
		return hexOf(m.Sum(nil))
	}
	return hexOf(both), mac("adit/1 server proof"), mac("adit/1 client proof")
}

func sum(b []byte) []byte { s := sha256.Sum256(b); return s[:] }

func hexOf(b []byte) spec.Octets { return spec.Octets(fmt.Sprintf("%x", b)) }
