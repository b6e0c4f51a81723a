package main

import (
	"fmt"

	"github.com/adit-tunnel/adit/spec"
)

func streams() []spec.Vector {
	all := []msg{closing(1), keepAlive(), data(1, str("hello")), data(2, ""), unknown(0x80, "616263"), data(2, str("world"))}
	version := &spec.Failure{Layer: "version", Dies: "tunnel", Requirement: "FRAME-002"}
	length := &spec.Failure{Layer: "length", Dies: "tunnel", Requirement: "FRAME-004"}
	wrongSize := &spec.Failure{Layer: "size", Dies: "tunnel", Requirement: "FRAME-008"}
	stream := func(id, title, notes string, chunks []spec.Octets, whole ...msg) spec.Vector {
		v := spec.Vector{
			ID: "stream_" + id, Kind: "stream", Title: title, Requirements: []string{"FRAME-006"}, Role: "both", Notes: notes,
			Chunks: chunks, Expect: "accept", Frames: []spec.Decoded{},
		}
		total := 0
		for _, c := range chunks {
			total += size(c)
		}
		for _, m := range whole {
			v.Frames = append(v.Frames, *m.frame)
			total -= size(m.octets)
		}
		v.Rest = total
		return v
	}
	fails := func(v spec.Vector, twin string, err *spec.Failure) spec.Vector {
		v.Twin, v.Expect, v.Error, v.Rest = "stream_"+twin, "reject", err, 0
		v.Requirements = append(v.Requirements, err.Requirement)
		return v
	}
	octetsOf := func(ms ...msg) []spec.Octets {
		var os []spec.Octets
		for _, m := range ms {
			os = append(os, m.octets)
		}
		return os
	}
	joined := func(ms ...msg) []spec.Octets { return []spec.Octets{join(octetsOf(ms...)...)} }

	hello := data(1, str("hello"))
	vs := []spec.Vector{
		stream("one_read_each", "each frame in a read of its own", "", octetsOf(all...), all...),
		stream("joined", "six frames in one read", "", joined(all...), all...),
		stream("single_octets", "six frames, one octet a read", "", single(join(octetsOf(all...)...)), all...),
		stream("straddle", "every read ends inside of a frame", "Reads of 7 octets.", cut(join(octetsOf(all...)...), 7), all...),
		stream("joined_two_and_half", "two frames and a half in one read", "", []spec.Octets{
			join(keepAlive().octets, closing(1).octets, "01 03 0000"), "0009 00000001 68656c6c6f",
		}, keepAlive(), closing(1), hello),
		stream("max_split", "the largest payload, cut one octet before its end", "", []spec.Octets{
			raw(1, typ("Data"), maxPayload, u32(1), times(0x61, maxPayload-5)), join("61", keepAlive().octets),
		}, data(1, times(0x61, maxPayload-4)), keepAlive()),
		stream("unknown_split", "an unknown type's payload over three reads", "What is skipped is skipped across reads.", []spec.Octets{
			"01 80 00000009 616263", "616263", join("616263", keepAlive().octets),
		}, unknown(0x80, "616263 616263 616263"), keepAlive()),
		stream("rest_header", "the stream ends inside of a header", "An end of the stream is the loss of the tunnel: the rest is dropped.", []spec.Octets{
			join(keepAlive().octets, "01 03 00"),
		}, keepAlive()),
		stream("rest_payload", "the stream ends inside of a payload", "Four octets of five came; a receiver may have delivered those.", []spec.Octets{
			join(keepAlive().octets, "01 03 00000009 00000001 68656c6c"),
		}, keepAlive()),
		stream("empty", "a stream without octets", "", []spec.Octets{""}),

		fails(stream("error_version", "a foreign version after two frames", "Both frames before it are acted on, nothing after it.",
			[]spec.Octets{join(hello.octets, closing(1).octets, raw(2, typ("KeepAlive"), 0), keepAlive().octets)}, hello, closing(1)), "joined", version),
		fails(stream("error_length", "a length above the limit after a frame", "",
			[]spec.Octets{join(hello.octets, raw(1, typ("Data"), maxPayload+1))}, hello), "joined", length),
		fails(stream("error_length_split", "a length above the limit that comes in single octets", "Noticed with the sixth octet of the header.",
			append([]spec.Octets{hello.octets}, single(raw(1, typ("Data"), maxPayload+1))...), hello), "single_octets", length),
		fails(stream("error_size", "a malformed Close between two frames", "",
			[]spec.Octets{join(hello.octets, sized(typ("Close"), "000000"), keepAlive().octets)}, hello), "joined", wrongSize),
		fails(stream("error_extra_octet", "one octet more than the length says", "The octet is read as the version of the next frame.",
			[]spec.Octets{join(hello.octets, "00", keepAlive().octets)}, hello), "joined", version),
		fails(stream("error_greeting", "a TLS greeting after a frame", "",
			[]spec.Octets{keepAlive().octets, "16 03 0100c801"}, keepAlive()), "one_read_each", version),
	}
	for i := range vs {
		for _, f := range vs[i].Frames {
			if f.Type[0] == '0' {
				vs[i].Requirements = append(vs[i].Requirements, "FRAME-007")
				break
			}
		}
	}
	return vs
}

// single cuts into single octets.
func single(o spec.Octets) []spec.Octets { return cut(o, 1) }

// cut cuts into chunks of n octets.
func cut(o spec.Octets, n int) (chunks []spec.Octets) {
	b := o.Bytes()
	for len(b) > 0 {
		k := min(n, len(b))
		chunks = append(chunks, spec.Octets(fmt.Sprintf("%x", b[:k])))
		b = b[k:]
	}
	return chunks
}
