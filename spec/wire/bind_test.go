package wire_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/adit-tunnel/adit/spec"
	"github.com/adit-tunnel/adit/spec/wire"
)

// readBind is readExt for a side with the option bind.
func readBind(b []byte, role string) (f spec.Decoded, again []byte, short bool, err error) {
	h, err := wire.ParseHeader(b)
	if err != nil || h.CheckExtLength() != nil || len(b) < wire.HeaderLen+int(h.Length) {
		return readExt(b, role, wire.TagBind)
	}
	p := b[wire.HeaderLen:]
	f.Type = h.Type.String()
	switch h.Type {
	case wire.TypeBind:
		v, bad := wire.ParseBind(p)
		f.Bind, err = &v.ID, bad
		f.TLVs, again = tlvs(h.Type, p, wire.IDLen)
	case wire.TypeBound:
		v, bad := wire.ParseBound(p)
		f.Bind, f.Code, err = &v.ID, new(uint16(v.Code)), bad
		f.TLVs, again = tlvs(h.Type, p, wire.IDLen+2)
	case wire.TypeUnbind:
		id, code, bad := wire.ParseUnbind(p)
		f.Bind, f.Code, again, err = &id, new(uint16(code)), wire.AppendUnbind(nil, id, code), bad
	default:
		return readExt(b, role, wire.TagBind)
	}
	return f, again, false, err
}

func TestBindFrameVectors(t *testing.T) {
	n := 0
	for v := range spec.BindVectors("frame") {
		n++
		t.Run(v.ID, func(t *testing.T) {
			b := v.Octets.Bytes()
			f, again, short, err := readBind(b, v.Role)
			if v.Expect == "reject" && v.Error.Layer != "type" {
				wantViolation(t, err, v.Error)
				return
			}
			if err != nil || short || !equalExt(f, *v.Frame) || !bytes.Equal(again, b) {
				t.Fatalf("read %+v, short %v, %v; want %+v, which encodes to itself", f, short, err, *v.Frame)
			}
			for _, n := range truncations(len(b)) {
				if _, _, short, err := readBind(b[:n], v.Role); err != nil || !short {
					t.Fatalf("the first %d of %d bytes: short %v, %v; want an incomplete frame", n, len(b), short, err)
				}
			}
		})
	}
	if n < 35 {
		t.Fatalf("%d frame vectors of the option bind; want 35 and more", n)
	}
}

func TestBindSizesAreThoseOfTheTable(t *testing.T) {
	for f := range spec.BindFrames() {
		for _, size := range bounds(f) {
			h := wire.Header{Type: wire.Type(f.Type), Length: uint32(size)}
			want := size >= f.Forms[0].Min && size <= f.Forms[0].Max
			v, ok := errors.AsType[*wire.Violation](h.CheckExtLength())
			if ok == want || ok && v.Req != "FRAME-008" {
				t.Errorf("%s of %d bytes: %v; the table allows it: %v", f.Name, size, v, want)
			}
		}
	}
}

// What a sound BIND and BOUND say comes back, and an encoder writes what the vectors have.
func TestBindValues(t *testing.T) {
	sound := wire.Bind{ID: 7, Network: wire.NetworkTCP, Service: "ssh", Port: 10022, HasPort: true}
	binds := map[string]struct {
		change func(*wire.Bind)
		code   wire.Code
	}{
		"sound":              {func(*wire.Bind) {}, wire.CodeOK},
		"any port":           {func(b *wire.Bind) { b.Port = 0 }, wire.CodeOK},
		"a name":             {func(b *wire.Bind) { b.Port, b.HasPort = 0, false }, wire.CodeOK},
		"no service":         {func(b *wire.Bind) { b.Service = "" }, wire.CodeGeneral},
		"a bad service":      {func(b *wire.Bind) { b.Service = "SSH" }, wire.CodeGeneral},
		"a long service":     {func(b *wire.Bind) { b.Service = strings.Repeat("a", 64) }, wire.CodeGeneral},
		"udp":                {func(b *wire.Bind) { b.Network = wire.NetworkUDP }, wire.CodeUnsupported},
		"an unknown network": {func(b *wire.Bind) { b.Network = 9 }, wire.CodeUnsupported},
	}
	for name, c := range binds {
		want := sound
		c.change(&want)
		got, err := wire.ParseBind(wire.AppendBind(nil, want)[wire.HeaderLen:])
		if code, _ := got.Refusal(); err != nil || got != want || code != c.code {
			t.Errorf("%s: %+v, %v, %v; want %+v and %v", name, got, code, err, want, c.code)
		}
	}
	critical, err := wire.ParseBind(wire.AppendBind(nil, sound, wire.TLV{Tag: 0x8001})[wire.HeaderLen:])
	if code, _ := critical.Refusal(); err != nil || code != wire.CodeUnsupported || critical.Critical != 0x8001 {
		t.Errorf("with a critical tag: %+v, %v, %v; want it unsupported", critical, code, err)
	}
	for _, want := range []wire.Bound{
		{ID: 7, Port: 10022}, {ID: 7}, {ID: 1 << 31, Code: wire.CodeInUse, Text: "it is \x00 \xff held"}, {Code: 0x999, Text: strings.Repeat("x", wire.MaxText)},
	} {
		if got, err := wire.ParseBound(wire.AppendBound(nil, want)[wire.HeaderLen:]); err != nil || got != want {
			t.Errorf("BOUND = %+v, %v; want %+v", got, err, want)
		}
	}
	cut, err := wire.ParseBound(wire.AppendBound(nil, wire.Bound{Text: strings.Repeat("y", 300)})[wire.HeaderLen:])
	if err != nil || len(cut.Text) != wire.MaxText {
		t.Errorf("a long text comes back with %d bytes, %v; want it cut to %d", len(cut.Text), err, wire.MaxText)
	}
	v, _ := spec.VectorOf("frame_bind_port")
	if got := wire.AppendBind(nil, wire.Bind{ID: 1, Service: "ssh", Port: 10022, HasPort: true}); !bytes.Equal(got, v.Octets.Bytes()) {
		t.Errorf("AppendBind = %x; want %x", got, v.Octets.Bytes())
	}
	v, _ = spec.VectorOf("frame_bound_ok")
	if got := wire.AppendBound(nil, wire.Bound{ID: 1, Port: 10022}); !bytes.Equal(got, v.Octets.Bytes()) {
		t.Errorf("AppendBound = %x; want %x", got, v.Octets.Bytes())
	}
	v, _ = spec.VectorOf("frame_bound_text_257")
	if got, err := wire.ParseBound(v.Octets.Bytes()[wire.HeaderLen:]); err != nil || got.Text != "" || got.Code != wire.CodeInUse {
		t.Errorf("a text that is too long: %+v, %v; want it ignored", got, err)
	}
}

// The tag bind is known to a side with the option alone, and one that agrees to what nobody offered is refused.
func TestHelloWithBind(t *testing.T) {
	for _, client := range []bool{true, false} {
		p := wire.AppendHello(nil, wire.Hello{Window: 1, Bind: true}, client)[wire.HeaderLen:]
		if h, err := wire.ParseHello(p, client, wire.TagBind); err != nil || !h.Bind {
			t.Errorf("client %v: %+v, %v; want bind", client, h, err)
		}
		h, err := wire.ParseHello(p, client, wire.TagAuth)
		if v, ok := errors.AsType[*wire.Violation](err); client && (err != nil || h.Bind) || !client && (!ok || v.Req != "HELLO-005") {
			t.Errorf("client %v, without the option: %+v, %v", client, h, err)
		}
	}
	p := wire.AppendHello(nil, wire.Hello{Window: 1}, true)[wire.HeaderLen:]
	if h, err := wire.ParseHello(p, true, wire.TagBind); err != nil || h.Bind {
		t.Errorf("a HELLO without bind = %+v, %v", h, err)
	}
}

func FuzzParseBind(f *testing.F) {
	for v := range spec.BindVectors("frame") {
		f.Add(v.Octets.Bytes()[wire.HeaderLen:])
	}
	rules := []string{"TLV-001", "TLV-003", "FRAME-008"}
	check := func(t *testing.T, what string, b []byte, err error) {
		if v, ok := errors.AsType[*wire.Violation](err); err != nil && (!ok || !slices.Contains(rules, v.Req)) {
			t.Errorf("%s(%x) = %v", what, b, err)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := wire.ParseBind(b)
		check(t, "ParseBind", b, err)
		if code, _ := v.Refusal(); err == nil && code == wire.CodeOK {
			if again, err := wire.ParseBind(wire.AppendBind(nil, v)[wire.HeaderLen:]); err != nil || again != v {
				t.Errorf("%+v comes back as %+v, %v", v, again, err)
			}
		}
		_, err = wire.ParseBound(b)
		check(t, "ParseBound", b, err)
		_, _, err = wire.ParseUnbind(b)
		check(t, "ParseUnbind", b, err)
	})
}
