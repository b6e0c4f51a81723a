package main

import (
	"fmt"
	"math"

	"github.com/adit-tunnel/adit/spec"
)

// Tags of section 24.
const (
	tagAgent     = 0x0001
	tagName      = 0x0002
	tagInstance  = 0x0003
	tagWindow    = 0x0004
	tagMaxConns  = 0x0005
	tagAuth      = 0x0010
	tagUDP       = 0x0011
	tagBind      = 0x0012
	tagNetwork   = 0x0020
	tagHost      = 0x0021
	tagPort      = 0x0022
	tagService   = 0x0023
	tagOrigin    = 0x0024
	tagLocal     = 0x0025
	tagText      = 0x0026
	tagGrease    = 0x1A1A
	tagPrivate   = 0x7000
	tagCritical  = 0x8000
	largestTLVs  = 4096
	largestText  = 256
	greatestCode = 0xFFFF
)

func tlv(tag int, value spec.Octets) spec.DecodedTLV {
	return spec.DecodedTLV{Tag: fmt.Sprintf("0x%04X", tag), Value: value}
}

// tlvOctets are TLVs as they are sent.
func tlvOctets(tlvs []spec.DecodedTLV) spec.Octets {
	var parts []spec.Octets
	for _, v := range tlvs {
		parts = append(parts, spec.Octets(v.Tag[2:]), u16(size(v.Value)), v.Value)
	}
	return lower(join(parts...))
}

// list makes a list of none an empty one, which JSON shows.
func list(tlvs []spec.DecodedTLV) []spec.DecodedTLV { return append([]spec.DecodedTLV{}, tlvs...) }

func hello(tlvs ...spec.DecodedTLV) msg            { return build("HELLO", "", list(tlvs)) }
func open(id int, tlvs ...spec.DecodedTLV) msg     { return build("OPEN", "", id, list(tlvs)) }
func opened(id int, tlvs ...spec.DecodedTLV) msg   { return build("OPENED", "", id, list(tlvs)) }
func window(id int, limit uint64) msg              { return build("WINDOW", "", id, limit) }
func fin(id int) msg                               { return build("FIN", "", id) }
func reset(id int, code string, t spec.Octets) msg { return build("RESET", "", id, codeOf(code), t) }
func goAway(code string, t spec.Octets) msg        { return build("GOAWAY", "", codeOf(code), t) }
func ping(mark spec.Octets) msg                    { return build("PING", "", mark) }
func pong(mark spec.Octets) msg                    { return build("PONG", "", mark) }
func windowTLV(octets int) spec.DecodedTLV         { return tlv(tagWindow, u32(octets)) }
func portTLV(port int) spec.DecodedTLV             { return tlv(tagPort, u16(port)) }
func hostTLV(host string) spec.DecodedTLV          { return tlv(tagHost, str(host)) }

// codeOf is the code of a name.
func codeOf(name string) int {
	c, ok := spec.CodeNamed(name)
	if !ok {
		panic("vecgen: internal error: no code is named " + name)
	}
	return int(c.Code)
}

// extFrames are frames of section 24, on a tunnel that is up, HELLO apart.
func extFrames() []spec.Vector {
	return append(extAccepted(), extRejected()...)
}

// receiver is who receives a frame of the type.
func receiver(name string) string {
	switch shape(name).From {
	case "server":
		return "client"
	case "client":
		return "server"
	}
	return "both"
}

func extAccepted() []spec.Vector {
	accept := func(id, title string, m msg, notes string, reqs ...string) spec.Vector {
		return spec.Vector{
			ID: "frame_" + id, Kind: "frame", Title: title, Requirements: reqs, Role: receiver(m.frame.Type), Notes: notes,
			Octets: m.octets, Expect: "accept", Frame: m.frame,
		}
	}
	ofClient := func(v spec.Vector) spec.Vector { v.Role = "server"; return v }
	ofServer := func(v spec.Vector) spec.Vector { v.Role = "client"; return v }
	mark := spec.Octets("0102030405060708")
	instance := spec.Octets("000102030405060708090a0b0c0d0e0f")
	grease := func(title string, typ int, payload spec.Octets) spec.Vector {
		m := unknown(typ, payload)
		return spec.Vector{
			ID: fmt.Sprintf("frame_grease_%02x", typ), Kind: "frame", Title: title, Requirements: []string{"FRAME-007"}, Role: "both",
			Notes: "It never gets a meaning.", Octets: m.octets, Expect: "skip", Frame: m.frame,
			Error: &spec.Failure{Layer: "type", Dies: "nothing", Requirement: "FRAME-007"},
		}
	}
	return []spec.Vector{
		accept("hello_empty", "HELLO with no TLV", hello(), "All has its value of a tag that is absent.", "HELLO-002"),
		accept("hello_window", "HELLO that states a window", hello(windowTLV(65536)), "", "HELLO-002"),
		accept("hello_window_zero", "HELLO with a window of 0", hello(windowTLV(0)), "The first WINDOW opens each connection.", "WIN-001"),
		accept("hello_window_max", "HELLO with the largest window", hello(tlv(tagWindow, "ffffffff")), "", "WIN-001"),
		ofClient(accept("hello_client", "a client's HELLO with all that it may state", hello(
			tlv(tagAgent, str("adit/1.2")), tlv(tagName, str("home-1")), tlv(tagInstance, instance), windowTLV(262144), tlv(tagMaxConns, u32(16384)),
		), "", "HELLO-001")),
		ofServer(accept("hello_server", "a server's HELLO", hello(tlv(tagAgent, str("adit/1.2")), windowTLV(262144)), "", "HELLO-002")),
		accept("hello_grease", "HELLO with a grease tag between two others", hello(tlv(tagAgent, str("a")), tlv(tagGrease, "00*32"), windowTLV(1)), "", "TLV-002"),
		accept("hello_unknown_twice", "HELLO with one unknown tag twice, and one of no octets", hello(tlv(tagPrivate, "01"), tlv(tagPrivate, "02"), tlv(0x0999, "")), "Only known tags come once.", "TLV-002"),
		accept("hello_tag_of_open", "HELLO with a tag of OPEN, twice and of another size", hello(portTLV(22), tlv(tagPort, "16")), "A tag is unknown where the frame has no use for it.", "TLV-002"),
		ofServer(accept("hello_server_name", "a server's HELLO with a client's tag, of another size", hello(tlv(tagInstance, "00")), "Known in a client's HELLO alone.", "TLV-002")),
		ofClient(accept("hello_name_bad", "HELLO whose name is no label", hello(tlv(tagName, str("Home!")), windowTLV(1)), "The name is ignored, the rest counts.", "TLV-005")),
		accept("hello_agent_empty", "HELLO with an agent of no octets", hello(tlv(tagAgent, "")), "The agent is ignored.", "TLV-005"),
		accept("hello_agent_long", "HELLO with an agent of 65 octets", hello(tlv(tagAgent, times(0x61, 65))), "The agent is ignored.", "TLV-005"),
		accept("hello_max", "the largest HELLO", hello(tlv(tagPrivate, times(0, largestTLVs-4))), "", "HELLO-012"),

		accept("window", "WINDOW", window(1, 65536), "", "WIN-003"),
		accept("window_zero", "WINDOW with limit 0", window(1, 0), "Never an error: the larger limit counts.", "WIN-003"),
		accept("window_max", "WINDOW with the largest limit", window(1, math.MaxUint64), "Every u64 is taken; WIN-004 bounds who states it.", "WIN-003"),
		accept("window_order", "WINDOW whose numbers differ in every octet", window(0x01020304, 0x05060708090a0b0c), "Catches a wrong byte order.", "WIN-003"),
		accept("fin", "FIN", fin(1), "", "FIN-001"),
		accept("fin_id_max", "FIN with the last ID", fin(1<<32-1), "", "FIN-001"),
		accept("reset", "RESET without text", reset(1, "reset", ""), "", "RESET-001"),
		accept("reset_text", "RESET with a text", reset(1, "refused", str("connection refused")), "", "RESET-003"),
		accept("reset_text_max", "RESET with the longest text", reset(1, "general", times(0x61, largestText)), "", "RESET-003"),
		accept("reset_text_octets", "RESET with a text that is no UTF-8 and has a line break", reset(1, "denied", "ff fe 0a 00"), "It is taken; SEC-005 says how it is shown.", "RESET-003"),
		accept("reset_code_unknown", "RESET with a code outside of the table", build("RESET", "", 1, 0x0999, spec.Octets("")), "It counts as general.", "RESET-003"),
		accept("reset_code_max", "RESET with the last code", build("RESET", "", 1, greatestCode, spec.Octets("")), "It counts as general.", "RESET-003"),
		accept("open_port", "OPEN with a port", open(1, portTLV(22)), "", "XOPEN-001"),
		accept("open_host", "OPEN with host and port", open(0, hostTLV("127.0.0.1"), portTLV(22)), "", "XOPEN-001"),
		accept("open_service", "OPEN with a service", open(1<<32-1, tlv(tagService, str("ssh"))), "", "XOPEN-001"),
		accept("open_origin", "OPEN with origin and local of IPv4", open(1, portTLV(22), tlv(tagOrigin, "c0000207 d431"), tlv(tagLocal, "cb007101 0016")), "192.0.2.7:54321 came to 203.0.113.1:22.", "XOPEN-002"),
		accept("open_origin_ipv6", "OPEN with origin and local of IPv6", open(1, portTLV(22), tlv(tagOrigin, "20010db8 00*11 01 d431"), tlv(tagLocal, "20010db8 00*11 02 0016")), "", "XOPEN-002"),
		accept("open_grease", "OPEN with a grease tag in front", open(1, tlv(tagGrease, ""), portTLV(22)), "", "TLV-002"),
		accept("open_none", "OPEN without TLVs", open(1), "The form is right; a client answers with RESET.", "XOPEN-005"),
		accept("open_both", "OPEN with port and service", open(1, portTLV(22), tlv(tagService, str("ssh"))), "The form is right; a client answers with RESET.", "XOPEN-005"),
		accept("open_port_zero", "OPEN for port 0", open(1, portTLV(0)), "The form is right; a client answers with RESET.", "XOPEN-005"),
		accept("open_host_alone", "OPEN with a host and no port", open(1, hostTLV("127.0.0.1")), "The form is right; a client answers with RESET.", "XOPEN-005"),
		accept("open_host_empty", "OPEN with a host of no octets", open(1, hostTLV(""), portTLV(22)), "Content, not form: a client answers with RESET.", "TLV-005"),
		accept("open_service_bad", "OPEN whose service is no label", open(1, tlv(tagService, str("S"))), "Content, not form: a client answers with RESET.", "TLV-005"),
		accept("open_network", "OPEN with network 9", open(1, tlv(tagNetwork, "09"), portTLV(22)), "A client answers with RESET unsupported.", "XOPEN-005"),
		accept("open_critical", "OPEN with an unknown critical tag", open(1, portTLV(22), tlv(tagCritical, "")), "The form is right; a client answers with RESET unsupported.", "TLV-003"),
		accept("open_max", "the largest OPEN", open(1, portTLV(22), tlv(tagPrivate, times(0, largestTLVs-14))), "", "TLV-002"),
		accept("opened", "OPENED", opened(1), "", "XOPEN-003"),
		accept("opened_grease", "OPENED with a grease tag, and with a port, which it has no use for", opened(1, tlv(tagGrease, "ff"), tlv(tagPort, "16")), "", "TLV-002"),
		accept("opened_max", "the largest OPENED", opened(1, tlv(tagPrivate, times(0, largestTLVs-8))), "", "TLV-002"),
		accept("goaway_drain", "GOAWAY drain", goAway("drain", ""), "", "AWAY-002"),
		accept("goaway_text", "GOAWAY with the longest text", goAway("protocol", times(0x61, largestText)), "", "AWAY-009"),
		accept("goaway_code_unknown", "GOAWAY with a code outside of the table", build("GOAWAY", "", 0x0999, spec.Octets("ff")), "It counts as general: the tunnel ends.", "AWAY-007"),
		accept("ping", "PING", ping(mark), "", "PING-001"),
		accept("pong", "PONG", pong(mark), "", "PING-001"),
		grease("the first grease type", 0x2A, "00*64"),
		grease("the second grease type, without payload", 0x3A, ""),
	}
}

func extRejected() []spec.Vector {
	reject := func(id, title, layer, req, twin string, octets spec.Octets, notes string) spec.Vector {
		return spec.Vector{
			ID: "frame_" + id, Kind: "frame", Title: title, Requirements: []string{req}, Role: "both", Notes: notes, Twin: "frame_" + twin,
			Octets: octets, Expect: "reject", Error: &spec.Failure{Layer: layer, Dies: "tunnel", Requirement: req},
		}
	}
	to := func(role string, v spec.Vector) spec.Vector { v.Role = role; return v }
	wrong := func(name, id, title, twin string, payload ...spec.Octets) spec.Vector {
		return to(receiver(name), reject("size_"+id, title, "size", "FRAME-008", twin, sized(typ(name), payload...), ""))
	}
	form := func(name, id, title, twin, notes string, payload ...spec.Octets) spec.Vector {
		return to(receiver(name), reject("tlv_"+id, title, "size", "TLV-001", twin, sized(typ(name), payload...), notes))
	}
	id := u32(1)
	twice := func(tlvs ...spec.DecodedTLV) spec.Octets { return tlvOctets(append(tlvs, tlvs...)) }
	vs := []spec.Vector{
		reject("size_hello_4097", "HELLO one octet above its limit", "size", "HELLO-012", "hello_max", raw(1, typ("HELLO"), largestTLVs+1), "The octets end with the header: the payload is not waited for."),
		wrong("WINDOW", "window_11", "WINDOW one octet too short", "window", id, "00*7"),
		wrong("WINDOW", "window_13", "WINDOW with one octet too many", "window", id, "00*9"),
		wrong("FIN", "fin_3", "FIN one octet too short", "fin", "000000"),
		wrong("FIN", "fin_5", "FIN with one octet too many", "fin", id, "00"),
		wrong("RESET", "reset_5", "RESET with half a code", "reset", id, "00"),
		wrong("RESET", "reset_263", "RESET with a text of 257 octets", "reset_text_max", id, u16(1), times(0x61, largestText+1)),
		wrong("OPEN", "open_3", "OPEN without a whole ID", "open_none", "000000"),
		wrong("OPEN", "open_4097", "OPEN one octet above its limit", "open_max", id, tlvOctets([]spec.DecodedTLV{tlv(tagPrivate, times(0, largestTLVs-7))})),
		wrong("OPENED", "opened_3", "OPENED without a whole ID", "opened", "000000"),
		wrong("OPENED", "opened_4097", "OPENED one octet above its limit", "opened_max", id, tlvOctets([]spec.DecodedTLV{tlv(tagPrivate, times(0, largestTLVs-7))})),
		wrong("GOAWAY", "goaway_1", "GOAWAY with half a code", "goaway_drain", "00"),
		wrong("GOAWAY", "goaway_259", "GOAWAY with a text of 257 octets", "goaway_text", u16(0x22), times(0x61, largestText+1)),
		wrong("PING", "ping_7", "PING one octet too short", "ping", "00*7"),
		wrong("PING", "ping_9", "PING with one octet too many", "ping", "00*9"),
		wrong("PONG", "pong_7", "PONG one octet too short", "pong", "00*7"),
		wrong("PONG", "pong_9", "PONG with one octet too many", "pong", "00*9"),

		form("HELLO", "cut_tag", "HELLO that ends inside of a tag", "hello_window", "", windowOctets, "00"),
		form("HELLO", "cut_length", "HELLO that ends inside of a length", "hello_window", "", windowOctets, "1a1a00"),
		form("HELLO", "cut_value", "HELLO whose last value is one octet short", "hello_window", "", "00040004 000100"),
		form("HELLO", "cut_value_unknown", "HELLO with an unknown tag whose value is one octet short", "hello_grease", "What is ignored has to end all the same.", windowOctets, "1a1a0002 00"),
		form("HELLO", "window_twice", "HELLO with its window twice", "hello_window", "With the same value.", twice(windowTLV(65536))),
		form("HELLO", "agent_twice", "HELLO with two agents", "hello_unknown_twice", "", twice(tlv(tagAgent, str("a")))),
		form("HELLO", "window_3", "HELLO with a window of three octets", "hello_window", "", tlvOctets([]spec.DecodedTLV{tlv(tagWindow, "010000")})),
		form("HELLO", "window_5", "HELLO with a window of five octets", "hello_window", "", tlvOctets([]spec.DecodedTLV{tlv(tagWindow, "0000010000")})),
		to("server", form("HELLO", "instance_15", "a client's HELLO with an instance of 15 octets", "hello_client", "", tlvOctets([]spec.DecodedTLV{tlv(tagInstance, "00*15")}))),
		to("server", form("HELLO", "max_connections_2", "a client's HELLO with a max-connections of two octets", "hello_client", "", tlvOctets([]spec.DecodedTLV{tlv(tagMaxConns, "0001")}))),
		form("OPEN", "origin_7", "OPEN with an origin of seven octets", "open_origin", "", id, tlvOctets([]spec.DecodedTLV{portTLV(22), tlv(tagOrigin, "c0000207 d43100")})),
		form("OPEN", "local_0", "OPEN with a local of no octets", "open_origin", "", id, tlvOctets([]spec.DecodedTLV{portTLV(22), tlv(tagLocal, "")})),
		form("OPEN", "port_1", "OPEN with a port of one octet", "open_port", "", id, tlvOctets([]spec.DecodedTLV{tlv(tagPort, "16")})),
		form("OPEN", "network_2", "OPEN with a network of two octets", "open_port", "", id, tlvOctets([]spec.DecodedTLV{tlv(tagNetwork, "0001"), portTLV(22)})),
		form("OPEN", "port_twice", "OPEN with its port twice", "open_port", "", id, twice(portTLV(22))),
		form("OPEN", "open_cut", "OPEN whose last value is one octet short", "open_port", "", id, "00220002 00"),
		form("OPENED", "opened_cut", "OPENED that ends inside of a tag", "opened", "", id, "00"),

		reject("critical_hello", "HELLO with an unknown critical tag", "content", "TLV-003", "hello_unknown_twice", hello(tlv(tagCritical, "")).octets, "The answer is GOAWAY unsupported, or the end of the tunnel alone."),
		to("server", reject("critical_opened", "OPENED with an unknown critical tag", "content", "TLV-003", "opened_grease", opened(1, tlv(tagCritical, "")).octets, "")),
		to("client", reject("hello_option", "a server's HELLO with an option that the client did not offer", "content", "HELLO-005", "hello_server", hello(tlv(tagUDP, "")).octets, "The client's HELLO had no udp.")),
	}
	// A codec alone cannot notice these: the frame is well formed.
	role := func(id, title, role, req, twin string, m msg, notes string) spec.Vector {
		v := to(role, reject("role_"+id, title, "type", req, twin, m.octets, notes))
		v.Frame = m.frame
		return v
	}
	return append(vs,
		role("open_from_client", "a server receives OPEN", "server", "XOPEN-016", "open_port", open(1, portTLV(22)), "Well formed: the codec accepts it, the role does not."),
		role("opened_from_server", "a client receives OPENED", "client", "XOPEN-016", "opened", opened(1), "Well formed: the codec accepts it, the role does not."),
		role("option_type", "DATAGRAM, whose option nobody agreed to", "both", "HELLO-006", "grease_2a", unknown(0x15, "0000000161"), "On a tunnel that is up."),
	)
}

// windowOctets is a window of 65,536 octets as a TLV.
const windowOctets = spec.Octets("00040004 00010000")
