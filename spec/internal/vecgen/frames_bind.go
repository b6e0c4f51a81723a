package main

import "github.com/adit-tunnel/adit/spec"

func bind(id int, tlvs ...spec.DecodedTLV) msg { return build("BIND", "", id, list(tlvs)) }
func bound(id int, code string, tlvs ...spec.DecodedTLV) msg {
	return build("BOUND", "", id, codeOf(code), list(tlvs))
}
func unbind(id int, code string) msg           { return build("UNBIND", "", id, codeOf(code)) }
func serviceTLV(name string) spec.DecodedTLV   { return tlv(tagService, str(name)) }
func textTLV(text spec.Octets) spec.DecodedTLV { return tlv(tagText, text) }

// bindTLV offers the option bind, or agrees to it.
func bindTLV() spec.DecodedTLV { return tlv(tagBind, "") }

// bindFrames are those of the option bind, and HELLO with its tag, to a receiver that has the option; a client has offered it.
func bindFrames() []spec.Vector {
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
	size := func(name, n, title, twin string, payload ...spec.Octets) spec.Vector {
		return reject("size_"+n, title, receiver(name), "size", "FRAME-008", twin, sized(typ(name), payload...), "")
	}
	form := func(name, n, title, twin string, payload ...spec.Octets) spec.Vector {
		return reject("tlv_"+n, title, receiver(name), "size", "TLV-001", twin, sized(typ(name), payload...), "")
	}
	misplaced := func(id, title, role, req, twin string, m msg) spec.Vector {
		v := reject("role_"+id, title, role, "type", req, twin, m.octets, "Well formed: the codec accepts it, the role does not.")
		v.Frame = m.frame
		return v
	}
	id, ssh := u32(1), serviceTLV("ssh")
	one := func(v spec.DecodedTLV) spec.Octets { return tlvOctets([]spec.DecodedTLV{v}) }
	refused := func(s string) string { return "Well formed: BOUND answers it with " + s + "." }
	return []spec.Vector{
		accept("hello_bind", "HELLO with bind", "both", hello(windowTLV(262144), bindTLV()), "", "HELLO-005"),
		reject("hello_bind_1", "HELLO with a bind of one octet", "both", "size", "TLV-001", "hello_bind", hello(windowTLV(262144), tlv(tagBind, "00")).octets, ""),
		reject("hello_bind_twice", "HELLO with bind twice", "both", "size", "TLV-001", "hello_bind", hello(bindTLV(), bindTLV()).octets, ""),

		accept("bind_port", "BIND for a port", "server", bind(1, ssh, portTLV(10022)), "", "BIND-001"),
		accept("bind_any", "BIND for any port", "server", bind(2, ssh, portTLV(0)), "", "BIND-013"),
		accept("bind_name", "BIND for a name alone", "server", bind(3, ssh), "", "BIND-003"),
		accept("bind_id_max", "BIND with the greatest bind ID", "server", bind(0xFFFFFFFF, ssh), "It is the last that the tunnel can have.", "BIND-001"),
		accept("bind_tcp", "BIND with its network", "server", bind(1, tlv(tagNetwork, "01"), ssh, portTLV(22)), "", "BIND-003"),
		accept("bind_network_unknown", "BIND with network 9", "server", bind(1, tlv(tagNetwork, "09"), ssh, portTLV(22)), refused("unsupported"), "BIND-003"),
		accept("bind_none", "BIND without TLVs", "server", bind(1), refused("general"), "BIND-003"),
		accept("bind_service_bad", "BIND with a service that is no label", "server", bind(1, serviceTLV("SSH"), portTLV(22)), refused("general"), "BIND-003", "TLV-005"),
		accept("bind_critical", "BIND with an unknown critical tag", "server", bind(1, ssh, portTLV(22), tlv(tagCritical, "")), refused("unsupported"), "BIND-003", "TLV-003"),
		accept("bind_grease", "BIND with a grease tag, and with a host, which it has no use for", "server", bind(1, tlv(tagGrease, "ff"), ssh, hostTLV("a"), portTLV(22)), "", "TLV-002"),
		accept("bind_max", "the largest BIND", "server", bind(1, tlv(tagPrivate, times(0, largestTLVs-8))), "", "TLV-002"),
		accept("bound_ok", "BOUND with the port that was given", "client", bound(1, "ok", portTLV(10022)), "", "BIND-013"),
		accept("bound_name", "BOUND of a name", "client", bound(3, "ok"), "", "BIND-013"),
		accept("bound_denied", "BOUND with code and text", "client", bound(1, "denied", textTLV(str("port 80 is outside of the range"))), "", "BIND-003"),
		accept("bound_text_max", "BOUND with the longest text, which is no UTF-8", "client", bound(1, "in-use", textTLV(times(0xFF, largestText))), "", "TLV-005"),
		accept("bound_text_257", "BOUND with a text that is too long", "client", bound(1, "in-use", textTLV(times(0x61, largestText+1))), "The text is ignored.", "TLV-005"),
		accept("bound_code_unknown", "BOUND with a code outside of the table", "client", build("BOUND", "", 1, 0x0999, list(nil)), "It counts as general.", "BIND-003"),
		accept("bound_grease", "BOUND with a grease tag, and with a service, which it has no use for", "client", bound(1, "ok", tlv(tagGrease, "ff"), ssh), "", "TLV-002"),
		accept("unbind", "UNBIND", "both", unbind(1, "ok"), "", "BIND-005"),
		accept("unbind_replaced", "UNBIND replaced", "both", unbind(1, "replaced"), "A server answers it as every other.", "BIND-005", "BIND-015"),

		size("BIND", "bind_3", "BIND without a whole bind ID", "bind_none", "000000"),
		size("BIND", "bind_4097", "BIND one octet above its limit", "bind_max", id, one(tlv(tagPrivate, times(0, largestTLVs-7)))),
		size("BOUND", "bound_5", "BOUND with half a code", "bound_name", id, "00"),
		size("BOUND", "bound_4097", "BOUND one octet above its limit", "bound_name", id, "0000", one(tlv(tagPrivate, times(0, largestTLVs-9)))),
		reject("size_unbind_5", "UNBIND with half a code", "both", "size", "FRAME-008", "unbind", sized(typ("UNBIND"), id, "00"), ""),
		reject("size_unbind_7", "UNBIND with one octet too many", "both", "size", "FRAME-008", "unbind", sized(typ("UNBIND"), id, "000000"), ""),
		form("BIND", "bind_port_1", "BIND with a port of one octet", "bind_port", id, tlvOctets([]spec.DecodedTLV{ssh, tlv(tagPort, "16")})),
		form("BIND", "bind_network_2", "BIND with a network of two octets", "bind_tcp", id, tlvOctets([]spec.DecodedTLV{tlv(tagNetwork, "0001"), ssh})),
		form("BIND", "bind_service_twice", "BIND with two services", "bind_name", id, tlvOctets([]spec.DecodedTLV{ssh, ssh})),
		form("BIND", "bind_cut", "BIND whose last value is one octet short", "bind_name", id, "00230003 7373"),
		form("BOUND", "bound_port_3", "BOUND with a port of three octets", "bound_ok", id, "0000", one(tlv(tagPort, "002726"))),
		form("BOUND", "bound_text_twice", "BOUND with two texts", "bound_denied", id, "0006", tlvOctets([]spec.DecodedTLV{textTLV(str("a")), textTLV(str("a"))})),
		form("BOUND", "bound_cut", "BOUND that ends inside of a tag", "bound_name", id, "000000"),
		reject("critical_bound", "BOUND with an unknown critical tag", "client", "content", "TLV-003", "bound_grease", bound(1, "ok", tlv(tagCritical, "")).octets, ""),
		misplaced("bind_from_server", "a client receives BIND", "client", "BIND-018", "bind_port", bind(1, ssh, portTLV(10022))),
		misplaced("bound_from_client", "a server receives BOUND", "server", "BIND-018", "bound_ok", bound(1, "ok", portTLV(10022))),
	}
}
