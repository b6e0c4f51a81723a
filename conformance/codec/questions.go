package codec

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/adit-tunnel/adit/spec"
)

// A question is a request, and what the right answer to it is.
type question struct {
	asks   string // in words
	req    Request
	octets []byte // decode: all chunks
	want   Answer
}

// whole is the longest input that is cut at each byte, and comes byte by byte.
const whole = 300

// keepAlive follows a frame to show where the receiver went on.
var keepAlive = []byte{0x01, 0x05, 0, 0, 0, 0}

// questions walks what a vector makes us ask. They are made one at a time: the largest has 2 MiB of hex.
func questions(v spec.Vector) iter.Seq[question] {
	switch v.Kind {
	case "frame":
		return ofFrame(v)
	case "stream":
		return ofStream(v)
	case "dialogue":
		return ofDialogue(v)
	}
	panic("codec: internal error: " + v.ID + " is of the unknown kind " + v.Kind)
}

// ofFrame asks for the frame alone, each truncation of it, it in two reads and
// byte by byte, it with a KeepAlive behind it, and its bytes from its fields.
func ofFrame(v spec.Vector) iter.Seq[question] {
	return func(yield func(question) bool) {
		b := v.Octets.Bytes()
		want, after := Answer{Error: v.Error}, Answer{Error: v.Error}
		if v.Expect != "reject" {
			want = Answer{Frames: []spec.Decoded{*v.Frame}}
			after = Answer{Frames: []spec.Decoded{*v.Frame, {Type: "KeepAlive"}}}
		}
		if !yield(decode(v, "whole", "decode it", want, b)) {
			return
		}
		if v.Expect != "reject" { // what is wrong may show before the end
			for _, n := range cuts(len(b)) {
				q := decode(v, fmt.Sprintf("first-%d", n), fmt.Sprintf("decode its first %d bytes: an incomplete frame", n), Answer{Rest: n}, b[:n])
				if !yield(q) {
					return
				}
			}
		}
		if !split(v, want, b, yield) {
			return
		}
		if !yield(decode(v, "followed", "decode it with a KeepAlive behind it", after, slices.Concat(b, keepAlive))) {
			return
		}
		if v.Expect == "accept" {
			yield(encode(v, "encode", *v.Frame, b))
		}
	}
}

// ofStream asks for the stream as the vector cuts it, and cut otherwise.
func ofStream(v spec.Vector) iter.Seq[question] {
	return func(yield func(question) bool) {
		want := Answer{Frames: v.Frames, Rest: v.Rest, Error: v.Error}
		var chunks [][]byte
		for _, c := range v.Chunks {
			chunks = append(chunks, c.Bytes())
		}
		_ = yield(decode(v, "chunks", "decode it in the vector's chunks", want, chunks...)) &&
			yield(decode(v, "joined", "decode it in one read", want, slices.Concat(chunks...))) &&
			split(v, want, slices.Concat(chunks...), yield)
	}
}

// ofDialogue asks for what each side sends on each tunnel, as its peer reads it, and for each frame.
func ofDialogue(v spec.Vector) iter.Seq[question] {
	return func(yield func(question) bool) {
		tunnel, n := []spec.Step{}, 1
		for _, s := range append(slices.Clone(v.Steps), spec.Step{Event: "tunnel ends"}) {
			if s.Event != "tunnel ends" {
				tunnel = append(tunnel, s)
				continue
			}
			for _, from := range []string{"client", "server"} {
				if !direction(v, tunnel, from, fmt.Sprintf("%s-%d", from, n), yield) {
					return
				}
			}
			tunnel, n = nil, n+1
		}
		for i, s := range v.Steps {
			if s.Frame != nil && !unknown(*s.Frame) && !yield(encode(v, fmt.Sprintf("encode-%d", i+1), *s.Frame, s.Octets.Bytes())) {
				return
			}
		}
	}
}

// direction asks for what one side sends on one tunnel.
func direction(v spec.Vector, steps []spec.Step, from, name string, yield func(question) bool) bool {
	to := map[string]string{"client": "server", "server": "client"}[from]
	var want Answer
	var chunks [][]byte
	for _, s := range steps {
		if s.From != from {
			continue
		}
		b := s.Octets.Bytes()
		switch {
		case s.Frame == nil && v.Error != nil && v.Error.Layer == "content":
			continue // a host that JSON cannot carry
		case s.Frame != nil && misplaced(*s.Frame, to), s.Frame == nil && v.Error != nil:
			want.Error = v.Error
		case s.Frame == nil:
			want.Rest = len(b)
		default:
			want.Frames = append(want.Frames, *s.Frame)
		}
		chunks = append(chunks, b)
		if want.Error != nil {
			break // nothing is acted on from there on
		}
	}
	if len(chunks) == 0 {
		return true
	}
	v.Role = to
	return yield(decode(v, name, "decode what the "+from+" sends", want, chunks...)) &&
		yield(decode(v, name+"-joined", "decode what the "+from+" sends, in one read", want, slices.Concat(chunks...)))
}

// misplaced reports whether the peer of a receiver never sends a frame (OPEN-010, OPEN-011).
func misplaced(f spec.Decoded, receiver string) bool {
	return receiver == "server" && f.Type == "ConnectRequest" || receiver == "client" && f.Type == "ConnectResponse"
}

// unknown reports whether Core does not know a frame's type.
func unknown(f spec.Decoded) bool { return strings.HasPrefix(f.Type, "0x") }

// split asks for the same bytes in two reads, cut at each place, and byte by byte.
func split(v spec.Vector, want Answer, b []byte, yield func(question) bool) bool {
	for _, n := range cuts(len(b)) {
		asks := fmt.Sprintf("decode it in two reads, cut after byte %d", n)
		if !yield(decode(v, fmt.Sprintf("cut-%d", n), asks, want, b[:n], b[n:])) {
			return false
		}
	}
	if len(b) > whole || len(b) < 2 {
		return true
	}
	return yield(decode(v, "octets", "decode it byte by byte", want, slices.Collect(slices.Chunk(b, 1))...))
}

// cuts are the places at which n bytes are cut: all, or of a long input those
// in and behind the header, behind the ID, and the last.
func cuts(n int) []int {
	var all []int
	for i := 1; i < n; i++ {
		all = append(all, i)
	}
	if n > whole {
		return []int{5, 6, 10, n - 1}
	}
	return all
}

func decode(v spec.Vector, name, asks string, want Answer, chunks ...[]byte) question {
	q := question{asks: asks, req: Request{ID: v.ID + "/" + name, Op: opDecode, Role: v.Role}, octets: bytes.Join(chunks, nil), want: want}
	if v.Profile == "ext" {
		q.req.Profile = v.Profile
	}
	for _, c := range chunks {
		q.req.Chunks = append(q.req.Chunks, hex.EncodeToString(c))
	}
	return q
}

func encode(v spec.Vector, name string, f spec.Decoded, b []byte) question {
	plain := f
	for _, o := range []**spec.Octets{&plain.Octets, &plain.Text, &plain.Mark} {
		if *o != nil {
			*o = new(spec.Octets(hex.EncodeToString((*o).Bytes())))
		}
	}
	plain.TLVs = slices.Clone(f.TLVs)
	for i, v := range plain.TLVs {
		plain.TLVs[i].Value = spec.Octets(hex.EncodeToString(v.Value.Bytes()))
	}
	return question{
		asks: "encode " + describe(f), req: Request{ID: v.ID + "/" + name, Op: opEncode, Frame: &plain},
		want: Answer{Octets: new(spec.Octets(hex.EncodeToString(b)))},
	}
}
