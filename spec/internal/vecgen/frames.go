package main

import (
	"fmt"
	"strings"

	"github.com/adit-tunnel/adit/spec"
)

// maxPayload is the largest payload of a frame.
var maxPayload = int(spec.LimitOf("max-payload").Default)

func frames() []spec.Vector {
	return append(append(accepted(), skipped()...), rejected()...)
}

func accept(id, title string, m msg, notes string, reqs ...string) spec.Vector {
	return spec.Vector{
		ID: "frame_" + id, Kind: "frame", Title: title, Requirements: reqs, Role: "both", Notes: notes,
		Octets: m.octets, Expect: "accept", Frame: m.frame,
	}
}

func accepted() []spec.Vector {
	vs := []spec.Vector{
		accept("request_addressed", "ConnectRequest, addressed form", addressed(1, 22, "127.0.0.1"), "ID 1, port 22, host of 9 octets.", "OPEN-002", "FRAME-001"),
		accept("request_addressed_ipv6", "ConnectRequest to an IPv6 address in text form", addressed(2, 80, "::1"), "No brackets around the address.", "OPEN-002"),
		accept("request_addressed_name", "ConnectRequest to a DNS name", addressed(3, 443, "db.internal.example"), "", "OPEN-002"),
		accept("request_host_empty", "ConnectRequest, addressed form with an empty host", addressed(4, 22, ""), "7 octets, so the size is right; the content is not: a client answers with a failure.", "OPEN-009"),
		accept("request_host_one", "ConnectRequest with a host of one octet", addressed(5, 22, "h"), "", "OPEN-002"),
		accept("request_host_255", "ConnectRequest with the longest host", addressed(6, 22, strings.Repeat("a", 255)), "The size is right. It is no valid DNS name: a client answers with a failure.", "OPEN-009"),
		accept("request_host_control", "ConnectRequest whose host holds a line break and an escape", addressed(7, 22, "a\r\nb\x1b[31m\x00"), "The size is right; a client answers with a failure, and escapes the octets where it logs them.", "OPEN-009", "SEC-005"),
		accept("request_short", "ConnectRequest, short form", short(8, 80), "Exactly 6 octets: the client chooses the host.", "OPEN-002"),
		accept("request_id_zero", "ConnectRequest with ID 0", short(0, 80), "Deployed servers start at 0.", "ID-003"),
		accept("request_id_max", "ConnectRequest with the last ID", short(1<<32-1, 80), "", "ID-003"),
		accept("request_port_zero", "ConnectRequest for port 0", short(9, 0), "The size is right; a client answers with a failure.", "OPEN-008"),
		accept("request_port_max", "ConnectRequest for port 65535", short(10, 65535), "", "OPEN-002"),
		accept("request_byte_order", "ConnectRequest whose numbers differ in every octet", addressed(0x01020304, 0x0506, "127.0.0.1"), "Catches a wrong byte order.", "FRAME-001"),
		accept("data", "Data with octets", data(1, str("hello\n")), "", "DATA-001"),
		accept("data_empty", "Data with no octets", data(1, ""), "Valid; delivers nothing.", "DATA-003"),
		accept("data_one", "Data with one octet", data(1, "00"), "The octet is zero.", "DATA-001"),
		accept("data_looks_like_frame", "Data whose octets look like a frame", data(1, closing(1).octets), "Octets of a connection are never parsed.", "DATA-001"),
		accept("data_64k", "Data with a payload of 64 KiB", data(1, times(0x61, 1<<16-4)), "", "FRAME-003"),
		accept("data_max_less_one", "Data one octet below the limit", data(1, times(0x61, maxPayload-5)), "", "FRAME-003"),
		accept("data_max", "Data with the largest payload", data(1, times(0x61, maxPayload-4)), "1,048,576 octets of payload, 1,048,572 after the ID.", "FRAME-003"),
		accept("close", "Close", closing(1), "", "CLOSE-001"),
		accept("close_id_zero", "Close with ID 0", closing(0), "", "CLOSE-001"),
		accept("close_id_max", "Close with the last ID", closing(1<<32-1), "", "CLOSE-001"),
		accept("keepalive", "KeepAlive", keepAlive(), "The shortest frame: 6 octets.", "ALIVE-002", "ALIVE-003"),
	}
	for s := range spec.Statuses() {
		vs = append(vs, accept("response_"+strings.ReplaceAll(s.Name, "-", "_"), "ConnectResponse, "+s.Name, response(1, int(s.Code)), "", "OPEN-004"))
	}
	return append(vs,
		accept("response_unassigned", "ConnectResponse with a status outside of the table", response(1, 8), "Every status but 0x00 is a failure.", "OPEN-014"),
		accept("response_last", "ConnectResponse with status 0xFF", response(1, 255), "Every status but 0x00 is a failure.", "OPEN-014"),
	)
}

// skipped are the types that a Core receiver passes over.
func skipped() []spec.Vector {
	skip := func(id, title string, m msg, notes string) spec.Vector {
		return spec.Vector{
			ID: "frame_" + id, Kind: "frame", Title: title, Requirements: []string{"FRAME-007"}, Role: "both", Notes: notes,
			Octets: m.octets, Expect: "skip", Frame: m.frame,
			Error: &spec.Failure{Layer: "type", Dies: "nothing", Requirement: "FRAME-007"},
		}
	}
	var vs []spec.Vector
	for _, r := range []struct {
		typ  int
		what string
	}{
		{0x00, "reserved"},
		{0x06, "the first reserved one after Core"},
		{0x0F, "the last reserved one of Core"},
		{0x10, "HELLO, an extension"},
		{0x3F, "the last extension"},
		{0x40, "the first one for later documents"},
		{0x7F, "the last one for later documents"},
		{0x80, "the first private one"},
		{0xFF, "the last private one"},
	} {
		vs = append(vs, skip(fmt.Sprintf("type_%02x", r.typ), fmt.Sprintf("type 0x%02X: %s", r.typ, r.what), unknown(r.typ, "0000000161"),
			"Five octets of payload are passed over. A receiver that knows the type is not bound by this vector."))
	}
	return append(vs,
		skip("type_unknown_empty", "an unknown type without payload", unknown(0x80, ""), "The next frame follows at once."),
		skip("type_unknown_max", "an unknown type with the largest payload", unknown(0x80, times(0x61, maxPayload)), "A receiver need not hold the payload to pass over it."),
	)
}

func rejected() []spec.Vector {
	reject := func(id, title, layer, req, twin string, octets spec.Octets, notes string) spec.Vector {
		return spec.Vector{
			ID: "frame_" + id, Kind: "frame", Title: title, Requirements: []string{req}, Role: "both", Notes: notes, Twin: "frame_" + twin,
			Octets: octets, Expect: "reject", Error: &spec.Failure{Layer: layer, Dies: "tunnel", Requirement: req},
		}
	}
	version := func(id, title string, octets spec.Octets, notes string) spec.Vector {
		return reject("version_"+id, title, "version", "FRAME-002", "keepalive", octets, notes)
	}
	length := func(id, title, twin string, octets spec.Octets, notes string) spec.Vector {
		return reject("length_"+id, title, "length", "FRAME-004", twin, octets, notes)
	}
	wrong := func(id, title, twin string, octets spec.Octets, notes string) spec.Vector {
		return reject("size_"+id, title, "size", "FRAME-008", twin, octets, notes)
	}
	headerOnly := "The octets end with the header: the payload is not waited for."
	vs := []spec.Vector{
		version("zero", "version 0", raw(0, typ("KeepAlive"), 0), ""),
		version("two", "version 2", raw(2, typ("KeepAlive"), 0), ""),
		version("last", "version 0xFF", raw(0xFF, typ("KeepAlive"), 0), ""),
		version("tls", "a TLS greeting", "16 03 0100c801", "The first octets of a ClientHello."),
		version("http", "an HTTP request", str("GET / HTTP/1.1\r\n"), ""),
		version("ssh", "an SSH greeting", str("SSH-2.0-x\r\n"), ""),
		version("and_length", "version 2 and a length above the limit", raw(2, typ("Data"), maxPayload+1), "The version decides: it comes first in the order of section 15."),
		version("and_type", "version 2 and an unknown type", raw(2, 0x80, 0), "The version decides."),

		length("data", "Data one octet above the limit", "data_max", raw(1, typ("Data"), maxPayload+1), headerOnly),
		length("data_last", "Data with the largest length that u32 holds", "data_max", raw(1, typ("Data"), 1<<32-1), headerOnly),
		length("data_sign", "Data with a length that is negative as a signed number", "data_max", raw(1, typ("Data"), 1<<31), headerOnly),
		length("unknown", "an unknown type one octet above the limit", "type_unknown_max", raw(1, 0x80, maxPayload+1), "The limit comes before the type. "+headerOnly),
		length("request", "ConnectRequest above the limit", "request_addressed", raw(1, typ("ConnectRequest"), maxPayload+1), "The limit comes before the size. "+headerOnly),
		length("response", "ConnectResponse above the limit", "response_success", raw(1, typ("ConnectResponse"), maxPayload+1), headerOnly),
		length("close", "Close above the limit", "close", raw(1, typ("Close"), maxPayload+1), headerOnly),
		length("keepalive", "KeepAlive above the limit", "keepalive", raw(1, typ("KeepAlive"), maxPayload+1), headerOnly),

		wrong("request_0", "ConnectRequest with an empty payload", "request_short", sized(typ("ConnectRequest")), ""),
		wrong("request_5", "ConnectRequest one octet too short", "request_short", sized(typ("ConnectRequest"), u32(1), "00"), ""),
		wrong("request_host_missing", "ConnectRequest that announces a host of one octet and has none", "request_host_one", sized(typ("ConnectRequest"), u32(1), u16(22), u8(1)), "7 octets, want 8."),
		wrong("request_host_short", "ConnectRequest whose host is one octet shorter than announced", "request_addressed", sized(typ("ConnectRequest"), u32(1), u16(22), u8(9), str("127.0.0.")), ""),
		wrong("request_host_long", "ConnectRequest with one octet after its host", "request_addressed", sized(typ("ConnectRequest"), u32(1), u16(22), u8(9), str("127.0.0.1"), "00"), ""),
		wrong("request_host_zero_long", "ConnectRequest with an empty host and one octet after it", "request_host_empty", sized(typ("ConnectRequest"), u32(1), u16(22), u8(0), str("a")), ""),
		wrong("request_host_254", "ConnectRequest that announces 255 octets of host and has 254", "request_host_255", sized(typ("ConnectRequest"), u32(1), u16(22), u8(255), times(0x61, 254)), ""),
		wrong("request_host_256", "ConnectRequest with 256 octets of host", "request_host_255", sized(typ("ConnectRequest"), u32(1), u16(22), u8(255), times(0x61, 256)), ""),
		wrong("request_host_wraps", "ConnectRequest with 256 octets of host, announced as 0", "request_host_empty", sized(typ("ConnectRequest"), u32(1), u16(22), u8(0), times(0x61, 256)), "Catches a size that is compared in eight bits."),
		wrong("response_0", "ConnectResponse with an empty payload", "response_success", sized(typ("ConnectResponse")), ""),
		wrong("response_4", "ConnectResponse without status", "response_success", sized(typ("ConnectResponse"), u32(1)), ""),
		wrong("response_6", "ConnectResponse with one octet too many", "response_success", sized(typ("ConnectResponse"), u32(1), "0000"), ""),
		wrong("data_0", "Data with an empty payload", "data_empty", sized(typ("Data")), "Data without even an ID."),
		wrong("data_3", "Data with three octets", "data_empty", sized(typ("Data"), "000000"), ""),
		wrong("close_0", "Close with an empty payload", "close", sized(typ("Close")), ""),
		wrong("close_3", "Close one octet too short", "close", sized(typ("Close"), "000000"), ""),
		wrong("close_5", "Close with one octet too many", "close", sized(typ("Close"), u32(1), "00"), ""),
		wrong("close_8", "Close with two IDs", "close", sized(typ("Close"), u32(1), u32(2)), ""),
		wrong("keepalive_1", "KeepAlive with one octet", "keepalive", sized(typ("KeepAlive"), "00"), ""),
		wrong("keepalive_max", "KeepAlive with the largest payload", "keepalive", sized(typ("KeepAlive"), times(0, maxPayload)), "Within the limit, yet wrong for the type."),
	}
	// A codec alone cannot notice these: the frame is well formed.
	role := func(id, title, role, req, twin string, m msg) spec.Vector {
		v := reject("role_"+id, title, "type", req, twin, m.octets, "Well formed: the codec accepts it, the role does not.")
		v.Role, v.Frame = role, m.frame
		return v
	}
	return append(vs,
		role("request_from_client", "a server receives ConnectRequest", "server", "OPEN-010", "request_addressed", addressed(1, 22, "127.0.0.1")),
		role("request_short_from_client", "a server receives ConnectRequest in short form", "server", "OPEN-010", "request_short", short(1, 22)),
		role("response_from_server", "a client receives ConnectResponse", "client", "OPEN-011", "response_success", response(1, 0)),
		role("response_failure_from_server", "a client receives a failure response", "client", "OPEN-011", "response_refused", response(1, 2)),
	)
}
