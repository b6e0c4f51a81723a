package main

import "github.com/adit-tunnel/adit/spec"

// The key and the nonces of the vectors.
const (
	homeID      = "home"
	homeSecret  = spec.Octets("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f")
	clientNonce = spec.Octets("c0c1c2c3c4c5c6c7c8c9cacbcccdcecf*2")
	serverNonce = spec.Octets("505152535455565758595a5b5c5d5e5f*2")
	largestID   = 64
)

// authTLV is the tag auth of scheme 1: a client's with a key ID, a server's without.
func authTLV(binding int, nonce spec.Octets, keyID string) spec.DecodedTLV {
	return tlv(tagAuth, join(u8(1), u8(binding), nonce, str(keyID)))
}

func authProof(proof spec.Octets) msg { return build("AUTH", "proof", proof) }
func authEmpty() msg                  { return build("AUTH", "empty") }

// authFrames are AUTH, and HELLO with the tag auth, to a receiver that has the option; a client has offered it.
func authFrames() []spec.Vector {
	accept := func(id, title, role string, m msg, notes string, reqs ...string) spec.Vector {
		return spec.Vector{
			ID: "frame_" + id, Kind: "frame", Title: title, Requirements: reqs, Role: role, Notes: notes, Octets: m.octets, Expect: "accept", Frame: m.frame,
		}
	}
	reject := func(id, title, role, layer, req, twin string, octets spec.Octets, notes string) spec.Vector {
		return spec.Vector{
			ID: "frame_" + id, Kind: "frame", Title: title, Requirements: []string{req}, Role: role, Notes: notes, Twin: "frame_" + twin,
			Octets: octets, Expect: "reject", Error: &spec.Failure{Layer: layer, Dies: "tunnel", Requirement: req},
		}
	}
	size := func(n, title string, payload spec.Octets, twin string) spec.Vector {
		return reject("size_auth_"+n, title, "both", "size", "FRAME-008", twin, sized(typ("AUTH"), payload), "")
	}
	// of is a HELLO with this value of the tag auth and nothing else.
	of := func(value ...spec.Octets) msg { return hello(tlv(tagAuth, join(value...))) }
	wrong := func(id, title, role, twin string, value ...spec.Octets) spec.Vector {
		return reject("hello_auth_"+id, title, role, "size", "AUTH-013", twin, of(value...).octets, "")
	}
	client, server := authTLV(0, clientNonce, homeID), authTLV(0, serverNonce, "")
	longest := times(0x61, largestID)
	head := spec.Octets("0100")
	fromClient := authEmpty()
	misplaced := reject("role_auth_empty_from_client", "a server receives AUTH without octets", "server", "type", "AUTH-005", "auth_empty", fromClient.octets,
		"Well formed: the codec accepts it, the role does not.")
	misplaced.Frame = fromClient.frame
	return []spec.Vector{
		accept("auth_proof", "AUTH with a proof", "both", authProof("000102030405060708090a0b0c0d0e0ff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"), "Whether it is right is not the codec's business.", "AUTH-003", "AUTH-004"),
		accept("auth_empty", "AUTH without octets", "client", authEmpty(), "The server lets the client in.", "AUTH-005"),
		accept("hello_auth_client", "a client's HELLO with auth", "server", hello(windowTLV(262144), client), "", "AUTH-002"),
		accept("hello_auth_server", "a server's HELLO with auth", "client", hello(windowTLV(262144), server), "", "AUTH-002"),
		accept("hello_auth_id_one", "a client's auth with the shortest key ID", "server", of(head, clientNonce, str("a")), "", "AUTH-013"),
		accept("hello_auth_id_64", "a client's auth with the longest key ID", "server", of(head, clientNonce, longest), "", "AUTH-013"),
		accept("hello_auth_id_forbidden", "a client's auth with a key ID that no key can have", "server", of(head, clientNonce, "00ff20"), "The form is right; the key ID counts as one that the server does not have.", "AUTH-006"),
		accept("hello_auth_binding_unknown", "a client's auth with binding 9", "server", of("0109", clientNonce, str(homeID)), "The form is right; a server answers with a binding of its own.", "AUTH-021"),
		accept("hello_auth_binding_other", "a server's auth with binding 2", "client", of("0102", serverNonce), "The form is right; a client that stated another binding makes it a tunnel error.", "AUTH-022"),
		accept("hello_auth_scheme_client", "a client's auth of scheme 2, of one octet", "server", of("02"), "The form is right, since its size is the other scheme's affair; a server that asks for auth answers GOAWAY denied.", "AUTH-013", "AUTH-019"),
		accept("hello_auth_scheme_server", "a server's auth of scheme 2, as long as one of scheme 1", "client", of("0200", serverNonce), "The form is right; the client makes it a tunnel error.", "AUTH-019"),
		accept("hello_auth_grease", "a client's HELLO with auth between two grease tags", "server", hello(tlv(tagGrease, "ff"), client, tlv(0x0A0A, "")), "They are part of T.", "AUTH-002", "TLV-002"),

		size("1", "AUTH with one octet", "00", "auth_empty"),
		size("31", "AUTH one octet too short", "00*31", "auth_proof"),
		size("33", "AUTH with one octet too many", "00*33", "auth_proof"),
		size("64", "AUTH with two proofs", "00*64", "auth_proof"),

		wrong("client_0", "a client's auth with no octets", "server", "hello_auth_client"),
		wrong("client_1", "a client's auth that ends behind the scheme", "server", "hello_auth_client", "01"),
		wrong("client_34", "a client's auth without key ID", "server", "hello_auth_id_one", head, clientNonce),
		wrong("client_99", "a client's auth with a key ID of 65 octets", "server", "hello_auth_id_64", head, clientNonce, longest, "61"),
		wrong("server_0", "a server's auth with no octets", "client", "hello_auth_server"),
		wrong("server_33", "a server's auth one octet too short", "client", "hello_auth_server", head, "00*31"),
		wrong("server_35", "a server's auth with a key ID", "client", "hello_auth_server", head, serverNonce, "61"),
		reject("hello_auth_twice", "a client's HELLO with auth twice", "server", "size", "TLV-001", "hello_auth_client", hello(client, client).octets, "With the same value."),
		reject("hello_auth_cut", "a client's HELLO whose auth is one octet short", "server", "size", "TLV-001", "hello_auth_id_one", sized(typ("HELLO"), "00100023", head, clientNonce), "The key ID is missing."),
		misplaced,
	}
}
