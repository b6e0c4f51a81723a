package wire

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/adit-tunnel/adit/spec"
)

// same compares a frame with its description in a vector, whatever notation its octets have.
func same(f Frame, want spec.Decoded) bool {
	got := Decode(f)
	if strings.HasPrefix(want.Type, "0x") && f.Type.Extension() { // a vector for receivers that do not know the type
		got = spec.Decoded{Type: want.Type, Octets: new(notation(f.Payload))}
	}
	if !slices.EqualFunc(got.TLVs, want.TLVs, func(a, b spec.DecodedTLV) bool {
		return a.Tag == b.Tag && bytes.Equal(a.Value.Bytes(), b.Value.Bytes())
	}) {
		return false
	}
	for _, o := range [][2]*spec.Octets{{got.Text, want.Text}, {got.Mark, want.Mark}, {got.Proof, want.Proof}} {
		if (o[0] == nil) != (o[1] == nil) || o[0] != nil && !bytes.Equal(o[0].Bytes(), o[1].Bytes()) {
			return false
		}
	}
	got.TLVs, want.TLVs, got.Text, want.Text, got.Mark, want.Mark, got.Proof, want.Proof = nil, nil, nil, nil, nil, nil, nil, nil
	if (got.Octets == nil) != (want.Octets == nil) || got.Octets != nil && !bytes.Equal(got.Octets.Bytes(), want.Octets.Bytes()) {
		return false
	}
	got.Octets, want.Octets = nil, nil
	return reflect.DeepEqual(got, want)
}

// built is the frame of a description, made by the constructors.
func built(d spec.Decoded) (Frame, bool) {
	switch d.Type {
	case "ConnectRequest":
		if d.Form == "short" {
			return Request(*d.ID, *d.Port), true
		}
		return RequestTo(*d.ID, *d.Host, *d.Port), true
	case "ConnectResponse":
		return Response(*d.ID, *d.Status), true
	case "Data":
		return Data(*d.ID, d.Octets.Bytes()), true
	case "Close":
		return Close(*d.ID), true
	case "KeepAlive":
		return KeepAlive(), true
	}
	return Frame{}, false
}

// layer is the layer at which the reader notices what is wrong; "" when it does not.
func layer(f Frame, err error, role string) string {
	switch {
	case errors.Is(err, ErrVersion):
		return "version"
	case errors.Is(err, ErrLength):
		return "length"
	case err != nil:
		return err.Error()
	case f.Malformed() != nil, role != "client" && f.Tagged("client") != nil, role != "server" && f.Tagged("server") != nil:
		return "size"
	}
	return ""
}

// codec reports whether a layer of the vectors is the codec's business; the others are for a peer with a state.
func codec(layer string) bool { return layer == "version" || layer == "length" || layer == "size" }

func TestFrameVectors(t *testing.T) {
	n := 0
	for _, v := range slices.Concat(slices.Collect(spec.Vectors("frame")), slices.Collect(spec.ExtVectors("frame")), slices.Collect(spec.AuthVectors("frame")), slices.Collect(spec.BindVectors("frame"))) {
		n++
		octets := v.Octets.Bytes()
		f, part, err := Read(bytes.NewReader(octets))
		if len(part) == HeaderLen && v.Profile != "core" { // what is too long shows in the header
			f, err = parseHeader(part), nil
		}
		got, want := layer(f, err, v.Role), ""
		if v.Error != nil && codec(v.Error.Layer) {
			want = v.Error.Layer
		}
		if got != want {
			t.Errorf("%s: the reader notices %q; want %q", v.ID, got, want)
			continue
		}
		if scanned := scan(octets); len(part) == 0 && (len(scanned) != 1 || (layer(scanned[0], scanned[0].Framing(), v.Role) == "") != (want == "") || scanned[0].Type != f.Type || scanned[0].ID() != f.ID()) {
			t.Errorf("%s: scanned as %v; read as %v", v.ID, scanned, f)
		}
		if want != "" || v.Error != nil && v.Error.Layer == "content" { // tags are the business of who reads them
			continue
		}
		if v.Frame == nil || !same(f, *v.Frame) {
			t.Errorf("%s: read as %+v; want %+v", v.ID, Decode(f), v.Frame)
			continue
		}
		if !bytes.Equal(f.Bytes(), octets) {
			t.Errorf("%s: written as % x; want % x", v.ID, f.Bytes(), octets)
		}
		if b, ok := built(*v.Frame); ok && !bytes.Equal(b.Bytes(), octets) {
			t.Errorf("%s: built as % x; want % x", v.ID, b.Bytes(), octets)
		}
		if b, err := Encode(*v.Frame); err != nil || !bytes.Equal(b.Bytes(), octets) {
			t.Errorf("%s: encoded as % x, %v; want % x", v.ID, b.Bytes(), err, octets)
		}
		for cut := range min(len(octets), 64) {
			if _, part, err := Read(bytes.NewReader(octets[:cut])); !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) || !bytes.Equal(part, octets[:cut]) {
				t.Errorf("%s cut to %d octets: % x, %v; want them and an end of stream", v.ID, cut, part, err)
			}
		}
	}
	if n < 50 {
		t.Fatalf("%d frame vectors; something is wrong with them", n)
	}
}

// The suite's proofs, and its keys as text, are those of the vectors.
func TestAuthVectors(t *testing.T) {
	n := 0
	for v := range spec.AuthVectors("proof") {
		n++
		p := v.Proofs
		k := Key{p.Key.ID, [32]byte(p.Key.Secret.Bytes())}
		client, _, _ := Read(bytes.NewReader(p.ClientHello.Bytes()))
		server, _, _ := Read(bytes.NewReader(p.ServerHello.Bytes()))
		cb, said := CB(p.CB.Bytes()), Transcript(client, server)
		if !bytes.Equal(said[:], p.T.Bytes()) {
			t.Errorf("%s: T is %x", v.ID, said)
		}
		for role, want := range map[string]spec.Octets{"server": p.Server, "client": p.Client} {
			if got := k.Proof(role, cb, said); !bytes.Equal(got[:], want.Bytes()) {
				t.Errorf("%s: the %s's proof is %x; want %x", v.ID, role, got, want.Bytes())
			}
		}
		for role, f := range map[string]Frame{"client": client, "server": server} {
			a, ok := f.Auth()
			if tag, _ := f.Tag(TagAuth); !ok || !bytes.Equal(a.TLV().Value, tag) || a.Binding != p.Binding || (role == "client") != (a.ID == k.ID) {
				t.Errorf("%s: auth of the %s is %+v, %v", v.ID, role, a, ok)
			}
		}
	}
	for v := range spec.AuthVectors("key") {
		if v.Key == nil {
			continue
		}
		n++
		if k := (Key{v.Key.ID, [32]byte(v.Key.Secret.Bytes())}); k.Line() != *v.Line {
			t.Errorf("%s: the key as text is %s; want %s", v.ID, k.Line(), *v.Line)
		}
	}
	if n < 6 {
		t.Fatalf("%d vectors of proofs and keys; something is wrong with them", n)
	}
	key, another := NewKey("a"), NewKey("a")
	auth, second := NewAuth(0, "a"), NewAuth(0, "a")
	if key == another || auth == second {
		t.Error("two keys, or two nonces, are the same")
	}
}

// scan is what a scanner makes of octets that come in one piece.
func scan(b []byte) []Frame { return scanChunks([][]byte{b}) }

func scanChunks(chunks [][]byte) (all []Frame) {
	var s Scanner
	for _, b := range chunks {
		for len(b) > 0 && !s.Lost() {
			var f Frame
			var ok bool
			if b, f, ok = s.Next(b); ok {
				f.Payload = bytes.Clone(f.Payload)
				all = append(all, f)
			}
		}
	}
	return all
}

// chunks is a reader that returns one chunk a read.
type chunks [][]byte

func (c *chunks) Read(p []byte) (int, error) {
	if len(*c) == 0 {
		return 0, io.EOF
	}
	n := copy(p, (*c)[0])
	if (*c)[0] = (*c)[0][n:]; len((*c)[0]) == 0 {
		*c = (*c)[1:]
	}
	return n, nil
}

func TestStreamVectors(t *testing.T) {
	n := 0
	for v := range spec.Vectors("stream") {
		n++
		var r chunks
		for _, c := range v.Chunks {
			r = append(r, c.Bytes())
		}
		scanned := scanChunks(slices.Clone(r))
		var got []Frame
		var end string
		var rest []byte
		for {
			f, part, err := Read(&r)
			if l := layer(f, err, v.Role); l != "" {
				end, rest = l, part
				break
			}
			got = append(got, f)
		}
		wrong := len(got) != len(v.Frames) || len(scanned) < len(got)
		for i := 0; i < len(got) && !wrong; i++ {
			s := scanned[i]
			wrong = !same(got[i], v.Frames[i]) || s.Type != got[i].Type || s.Size != got[i].Size || !bytes.HasPrefix(got[i].Payload, s.Payload)
		}
		if wrong {
			t.Errorf("%s: read as %v, scanned as %v; want %+v", v.ID, got, scanned, v.Frames)
		}
		switch {
		case v.Error != nil && codec(v.Error.Layer):
			if end != v.Error.Layer {
				t.Errorf("%s: the reader notices %q; want %q", v.ID, end, v.Error.Layer)
			}
			if len(scanned) <= len(got) || scanned[len(got)].Sound() {
				t.Errorf("%s: the scanner sees %v; want one that is wrong behind %d others", v.ID, scanned, len(got))
			}
		case v.Error == nil && len(rest) != v.Rest:
			t.Errorf("%s: %d octets left; want %d", v.ID, len(rest), v.Rest)
		}
	}
	if n < 10 {
		t.Fatalf("%d stream vectors; something is wrong with them", n)
	}
}

// Every frame of every dialogue is read as the vector describes it.
func TestDialogueVectors(t *testing.T) {
	n := 0
	for v := range spec.Vectors("dialogue") {
		for i, s := range v.Steps {
			if s.Frame == nil {
				continue
			}
			n++
			f, _, err := Read(bytes.NewReader(s.Octets.Bytes()))
			if err != nil || !same(f, *s.Frame) {
				t.Errorf("%s step %d: read as %+v (%v); want %+v", v.ID, i, Decode(f), err, *s.Frame)
			}
		}
	}
	if n < 50 {
		t.Fatalf("%d frames in dialogues; something is wrong with them", n)
	}
}
