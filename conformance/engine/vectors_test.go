package engine

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"testing"

	"github.com/adit-tunnel/adit/spec"
)

// described is f as the vectors describe frames.
func described(f Frame) spec.Frame {
	out := spec.Frame{Type: f.Type.String()}
	octets := func(b []byte) *spec.Octets { o := spec.Octets(fmt.Sprintf("%x", b)); return &o }
	if f.Type.hasID() {
		out.ID = new(f.ID())
	}
	switch f.Type {
	case TypeConnectRequest:
		out.Port, out.Form = new(f.Port()), "short"
		if host, ok := f.Host(); ok {
			out.Form, out.Host = "addressed", &host
		}
	case TypeConnectResponse:
		out.Status = new(f.Status())
	case TypeData:
		out.Octets = octets(f.Octets())
	case TypeClose, TypeKeepAlive:
	default:
		out.Type = fmt.Sprintf("0x%02X", byte(f.Type))
		out.Octets = octets(f.Payload)
	}
	return out
}

// same compares a frame with its description in a vector, whatever notation its octets have.
func same(f Frame, want spec.Frame) bool {
	got := described(f)
	if (got.Octets == nil) != (want.Octets == nil) || got.Octets != nil && !bytes.Equal(got.Octets.Bytes(), want.Octets.Bytes()) {
		return false
	}
	got.Octets, want.Octets = nil, nil
	return reflect.DeepEqual(got, want)
}

// built is the frame of a description, made by the suite's own constructors.
func built(d spec.Frame) (Frame, bool) {
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

// layer is the layer at which the suite's codec notices what is wrong; "" when it does not.
func layer(f Frame, err error) string {
	switch {
	case errors.Is(err, errVersion):
		return "version"
	case errors.Is(err, errLength):
		return "length"
	case err != nil:
		return err.Error()
	case f.Malformed() != nil:
		return "size"
	}
	return ""
}

// codec reports whether a layer of the vectors is the codec's business; the others are for a peer with a state.
func codec(layer string) bool { return layer == "version" || layer == "length" || layer == "size" }

func TestFrameVectors(t *testing.T) {
	n := 0
	for v := range spec.Vectors("frame") {
		n++
		octets := v.Octets.Bytes()
		f, _, err := readFrame(bytes.NewReader(octets))
		got, want := layer(f, err), ""
		if v.Error != nil && codec(v.Error.Layer) {
			want = v.Error.Layer
		}
		if got != want {
			t.Errorf("%s: the codec notices %q; want %q", v.ID, got, want)
			continue
		}
		if want != "" {
			continue
		}
		if v.Frame == nil || !same(f, *v.Frame) {
			t.Errorf("%s: read as %+v; want %+v", v.ID, described(f), v.Frame)
			continue
		}
		if !bytes.Equal(f.Bytes(), octets) {
			t.Errorf("%s: written as % x; want % x", v.ID, f.Bytes(), octets)
		}
		if b, ok := built(*v.Frame); ok && !bytes.Equal(b.Bytes(), octets) {
			t.Errorf("%s: built as % x; want % x", v.ID, b.Bytes(), octets)
		}
		for cut := range min(len(octets), 64) {
			if _, _, err := readFrame(bytes.NewReader(octets[:cut])); !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%s cut to %d octets: %v; want an end of stream", v.ID, cut, err)
			}
		}
	}
	if n < 50 {
		t.Fatalf("%d frame vectors; something is wrong with them", n)
	}
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
		var got []Frame
		var end string
		var rest []byte
		for {
			f, head, err := readFrame(&r)
			if l := layer(f, err); l != "" {
				end, rest = l, head
				break
			}
			got = append(got, f)
		}
		wrong := len(got) != len(v.Frames)
		for i := 0; i < len(got) && !wrong; i++ {
			wrong = !same(got[i], v.Frames[i])
		}
		if wrong {
			t.Errorf("%s: read as %v; want %+v", v.ID, got, v.Frames)
		}
		switch {
		case v.Error != nil && codec(v.Error.Layer):
			if end != v.Error.Layer {
				t.Errorf("%s: the codec notices %q; want %q", v.ID, end, v.Error.Layer)
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
			f, _, err := readFrame(bytes.NewReader(s.Octets.Bytes()))
			if err != nil || !same(f, *s.Frame) {
				t.Errorf("%s step %d: read as %+v (%v); want %+v", v.ID, i, described(f), err, *s.Frame)
			}
		}
	}
	if n < 50 {
		t.Fatalf("%d frames in dialogues; something is wrong with them", n)
	}
}
