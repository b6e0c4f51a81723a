package wire_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/adit-tunnel/adit/spec"
	"github.com/adit-tunnel/adit/spec/wire"
)

// readExt is read for a frame of section 24, on a tunnel that is up, HELLO apart, and for a side with these options.
func readExt(b []byte, role string, options ...wire.Tag) (f spec.Decoded, again []byte, short bool, err error) {
	h, err := wire.ParseHeader(b)
	if errors.Is(err, wire.ErrShort) {
		return f, nil, true, nil
	}
	if err == nil {
		err = h.CheckExtLength()
	}
	if err != nil {
		return f, nil, false, err
	}
	if len(b) < wire.HeaderLen+int(h.Length) {
		return f, nil, true, nil
	}
	f, again, err = decodeExt(h.Type, b[wire.HeaderLen:], role, options...)
	return f, again, false, err
}

// decodeExt is a payload as values, and the frame of those values.
func decodeExt(typ wire.Type, p []byte, role string, options ...wire.Tag) (f spec.Decoded, again []byte, err error) {
	f.Type = typ.String()
	switch typ {
	case wire.TypeHello:
		if role != "client" {
			_, err = wire.ParseHello(p, true, options...)
		}
		if role != "server" && err == nil {
			_, err = wire.ParseHello(p, false, options...)
		}
		f.TLVs, again = tlvs(typ, p, 0)
	case wire.TypeOpen:
		var o wire.Open
		o, err = wire.ParseOpen(p)
		f.ID = &o.ID
		f.TLVs, again = tlvs(typ, p, wire.IDLen)
	case wire.TypeOpened:
		var id uint32
		id, err = wire.ParseOpened(p)
		f.ID = &id
		f.TLVs, again = tlvs(typ, p, wire.IDLen)
	case wire.TypeWindow:
		var id uint32
		var limit uint64
		id, limit, err = wire.ParseWindow(p)
		f.ID, f.Limit, again = &id, &limit, wire.AppendWindow(nil, id, limit)
	case wire.TypeFin:
		var id uint32
		id, err = wire.ParseFin(p)
		f.ID, again = &id, wire.AppendFin(nil, id)
	case wire.TypeReset:
		id, code, text, bad := wire.ParseReset(p)
		f.ID, f.Code, f.Text, again, err = &id, new(uint16(code)), octets([]byte(text)), wire.AppendReset(nil, id, code, text), bad
	case wire.TypeGoAway:
		code, text, bad := wire.ParseGoAway(p)
		f.Code, f.Text, again, err = new(uint16(code)), octets([]byte(text)), wire.AppendGoAway(nil, code, text), bad
	case wire.TypePing:
		m, bad := wire.ParseMark(p)
		f.Mark, again, err = octets(m[:]), wire.AppendPing(nil, m), bad
	case wire.TypePong:
		m, bad := wire.ParseMark(p)
		f.Mark, again, err = octets(m[:]), wire.AppendPong(nil, m), bad
	default:
		f.Type, f.Octets, again = fmt.Sprintf("0x%02X", uint8(typ)), octets(p), append(wire.AppendHeader(nil, typ, len(p)), p...)
	}
	return f, again, err
}

func octets(b []byte) *spec.Octets { return new(spec.Octets(fmt.Sprintf("%x", b))) }

// tlvs are those of a payload behind n bytes, and the frame of them.
func tlvs(typ wire.Type, p []byte, n int) ([]spec.DecodedTLV, []byte) {
	all, err := wire.ParseTLVs(p[n:])
	if err != nil {
		return nil, nil
	}
	decoded, b := []spec.DecodedTLV{}, slices.Clone(p[:n])
	for _, v := range all {
		decoded = append(decoded, spec.DecodedTLV{Tag: fmt.Sprintf("0x%04X", uint16(v.Tag)), Value: *octets(v.Value)})
		b = wire.AppendTLV(b, v.Tag, v.Value)
	}
	return decoded, append(wire.AppendHeader(nil, typ, len(b)), b...)
}

// equalExt compares frames by meaning: bytes have several notations.
func equalExt(a, b spec.Decoded) bool {
	sameBytes := func(a, b *spec.Octets) bool {
		return a == nil && b == nil || a != nil && b != nil && bytes.Equal(a.Bytes(), b.Bytes())
	}
	return a.Type == b.Type && a.Form == b.Form && same(a.Bind, b.Bind) && sameBytes(a.Proof, b.Proof) && same(a.ID, b.ID) && same(a.Limit, b.Limit) && same(a.Code, b.Code) &&
		sameBytes(a.Text, b.Text) && sameBytes(a.Mark, b.Mark) && sameBytes(a.Octets, b.Octets) &&
		slices.EqualFunc(a.TLVs, b.TLVs, func(a, b spec.DecodedTLV) bool { return a.Tag == b.Tag && sameBytes(&a.Value, &b.Value) })
}

func TestExtFrameVectors(t *testing.T) {
	n := 0
	for v := range spec.ExtVectors("frame") {
		n++
		t.Run(v.ID, func(t *testing.T) {
			b := v.Octets.Bytes()
			f, again, short, err := readExt(b, v.Role)
			if v.Expect == "reject" && v.Error.Layer != "type" {
				wantViolation(t, err, v.Error)
				return
			}
			if err != nil || short || !equalExt(f, *v.Frame) || !bytes.Equal(again, b) {
				t.Fatalf("read %+v, short %v, %v; want %+v, which encodes to itself", f, short, err, *v.Frame)
			}
			for _, n := range truncations(len(b)) {
				if _, _, short, err := readExt(b[:n], v.Role); err != nil || !short {
					t.Fatalf("the first %d of %d bytes: short %v, %v; want an incomplete frame", n, len(b), short, err)
				}
			}
		})
	}
	if n < 80 {
		t.Fatalf("%d frame vectors of the Extended profile; want 80 and more", n)
	}
}

func TestExtSizesAreThoseOfTheTable(t *testing.T) {
	for f := range spec.ExtFrames() {
		m := f.Forms[0]
		for _, size := range bounds(f) {
			want := size >= m.Min && size <= m.Max
			h := wire.Header{Type: wire.Type(f.Type), Length: uint32(size)}
			err := h.CheckExtLength()
			requirement := "FRAME-008"
			if f.Name == "HELLO" {
				requirement = "HELLO-012"
			}
			if v, ok := errors.AsType[*wire.Violation](err); want && err != nil || !want && (!ok || v.Req != requirement) {
				t.Errorf("%s of %d bytes: %v; the table allows it: %v, else %s", f.Name, size, err, want, requirement)
			}
			if h.CheckLength() != nil {
				t.Errorf("%s of %d bytes: a Core tunnel does not skip it", f.Name, size)
			}
		}
	}
}

// A tag is known where the table says, and has the sizes of the table there.
func TestTagsAreThoseOfTheTable(t *testing.T) {
	var options []wire.Tag
	for tag := range spec.Tags() {
		if wire.Tag(tag.Tag).Option() {
			options = append(options, wire.Tag(tag.Tag))
		}
	}
	parse := map[spec.Use]func(p []byte) error{
		{Frame: "HELLO", From: "client"}:  func(p []byte) error { _, err := wire.ParseHello(p, true, options...); return err },
		{Frame: "HELLO", From: "server"}:  func(p []byte) error { _, err := wire.ParseHello(p, false, options...); return err },
		{Frame: "OPEN", From: "server"}:   func(p []byte) error { _, err := wire.ParseOpen(append(make([]byte, 4), p...)); return err },
		{Frame: "OPENED", From: "client"}: func(p []byte) error { _, err := wire.ParseOpened(append(make([]byte, 4), p...)); return err },
		{Frame: "BIND", From: "client"}:   func(p []byte) error { _, err := wire.ParseBind(append(make([]byte, 4), p...)); return err },
		{Frame: "BOUND", From: "server"}:  func(p []byte) error { _, err := wire.ParseBound(append(make([]byte, 6), p...)); return err },
	}
	n := 0
	for tag := range spec.Tags() {
		for use, parse := range parse {
			known := slices.ContainsFunc(tag.In, func(u spec.Use) bool { return u.Frame == use.Frame && (u.From == use.From || u.From == "both") })
			for size := range 20 {
				if known && wire.Tag(tag.Tag) == wire.TagAuth && size == 0 {
					continue // AUTH-013
				}
				n++
				one := wire.AppendTLV(nil, wire.Tag(tag.Tag), make([]byte, size))
				fits := !known || len(tag.Sizes) == 0 || slices.Contains(tag.Sizes, size)
				if err := parse(one); (err == nil) != fits {
					t.Errorf("%s of %d bytes in %v: %v; want it accepted: %v", tag.Name, size, use, err, fits)
				}
				if err := parse(append(one, one...)); (err == nil) == known {
					t.Errorf("%s of %d bytes twice in %v: %v; want it accepted: %v", tag.Name, size, use, err, !known)
				}
			}
		}
	}
	if n < 1000 {
		t.Fatalf("%d tags with sizes tried; want 1,000 and more", n)
	}
}

func TestCodesAreThoseOfTheTable(t *testing.T) {
	names := map[uint16]string{}
	for c := range spec.Codes() {
		names[c.Code] = c.Name
	}
	for code := range 1 << 16 {
		want, ok := names[uint16(code)]
		if !ok {
			want = fmt.Sprintf("code 0x%04X", code)
		}
		if got := wire.Code(code).String(); got != want {
			t.Errorf("code 0x%04X is %s; section 29 says %s", code, got, want)
		}
	}
}

func TestExtLimitsAreThoseOfTheTable(t *testing.T) {
	for name, got := range map[string]int64{
		"hello-size": wire.MaxTLVs, "text": wire.MaxText, "window": wire.DefaultWindow, "max-connections": wire.DefaultMaxConnections,
	} {
		if want := spec.LimitOf(name).Default; got != want {
			t.Errorf("%s is %d; section 17 says %d", name, got, want)
		}
	}
	if wire.NoLimit != uint64(math.MaxUint64) {
		t.Error("NoLimit is not 2^64 - 1")
	}
	for n := range 1 << 16 {
		tag := wire.Tag(n)
		grease := n&0xFF == n>>8 && n&0xF == 0xA && n>>12 <= 6 // 0x0A0A, 0x1A1A to 0x6A6A
		if tag.GreaseTag() != grease || tag.Critical() != (n >= 0x8000) {
			t.Errorf("tag 0x%04X: grease %v, critical %v", n, tag.GreaseTag(), tag.Critical())
		}
	}
}

func TestExtImages(t *testing.T) {
	origin := netip.MustParseAddrPort("[::ffff:192.0.2.7]:54321")
	for _, c := range []struct {
		name, image string
		frame       []byte
	}{
		{"a client's HELLO", "01 10 00000031 0001 0001 61 0004 0004 00010000 0002 0004 686f6d65 0003 0010 000102030405060708090a0b0c0d0e0f 0005 0004 00000002", wire.AppendHello(nil, wire.Hello{
			Agent: "a", Name: "home", Instance: []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, Window: 65536, MaxConnections: 2,
		}, true)},
		{"a server's HELLO with grease", "01 10 0000000c 0004 0004 00000000 1a1a 0000", wire.AppendHello(nil, wire.Hello{Name: "not said", MaxConnections: 1}, false, wire.TLV{Tag: 0x1A1A})},
		{"a client's HELLO with auth", "01 10 00000037 0004 0004 00000001 0005 0004 00000002 0010 0023 01 02 " + strings.Repeat("c0", 32) + " 6b", wire.AppendHello(nil, wire.Hello{
			Window: 1, MaxConnections: 2, Auth: &wire.Auth{Scheme: 1, Binding: 2, Nonce: [32]byte(bytes.Repeat([]byte{0xC0}, 32)), KeyID: "k"},
		}, true)},
		{"a server's HELLO with auth", "01 10 0000002e 0004 0004 00000001 0010 0022 01 00 " + strings.Repeat("50", 32), wire.AppendHello(nil, wire.Hello{
			Window: 1, Auth: &wire.Auth{Scheme: 1, Nonce: [32]byte(bytes.Repeat([]byte{0x50}, 32)), KeyID: "not said"},
		}, false)},
		{"OPEN", "01 14 00000021 00000001 0021 0009 3132372e302e302e31 0022 0002 0016 0024 0006 c0000207d431", wire.AppendOpen(nil, wire.Open{ID: 1, Host: "127.0.0.1", HasHost: true, Port: 22, HasPort: true, Origin: origin})},
		{"OPEN of a service", "01 14 0000000b 00000002 0023 0003 737368", wire.AppendOpen(nil, wire.Open{ID: 2, Service: "ssh", HasService: true})},
		{"OPENED", "01 1d 00000004 00000001", wire.AppendOpened(nil, 1)},
		{"RESET with a text that is too long", "01 13 00000106 00000001 0010 " + strings.Repeat("61", 256), wire.AppendReset(nil, 1, wire.CodeReset, strings.Repeat("a", 257))},
		{"GOAWAY", "01 16 00000002 0020", wire.AppendGoAway(nil, wire.CodeDrain, "")},
	} {
		want, err := hex.DecodeString(strings.ReplaceAll(c.image, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(c.frame, want) {
			t.Errorf("%s: encoded %x; want %x", c.name, c.frame, want)
		}
	}
}

func TestParseHello(t *testing.T) {
	id := bytes.Repeat([]byte{7}, wire.InstanceLen)
	full := wire.Hello{Agent: "adit", Name: "home-1", Instance: id, Window: 0, MaxConnections: 5}
	absent := wire.Hello{Window: wire.DefaultWindow, MaxConnections: wire.DefaultMaxConnections}
	payload := func(h wire.Hello, client bool) []byte { return wire.AppendHello(nil, h, client)[wire.HeaderLen:] }
	for _, c := range []struct {
		name    string
		payload []byte
		client  bool
		want    wire.Hello
	}{
		{"of a client", payload(full, true), true, full},
		{"of a server", payload(full, false), false, wire.Hello{Agent: "adit", MaxConnections: wire.DefaultMaxConnections}},
		{"of nothing", nil, true, absent},
		{"a name that is no label", wire.AppendTLV(nil, wire.TagName, []byte("a_b")), true, absent},
		{"an agent that is too long", wire.AppendTLV(nil, wire.TagAgent, make([]byte, 65)), true, absent},
		{"an option that is offered", wire.AppendTLV(nil, wire.TagUDP, nil), true, absent},
	} {
		h, err := wire.ParseHello(c.payload, c.client)
		if err != nil || h.Agent != c.want.Agent || h.Name != c.want.Name || !bytes.Equal(h.Instance, c.want.Instance) || h.Window != c.want.Window || h.MaxConnections != c.want.MaxConnections {
			t.Errorf("%s: %+v, %v; want %+v", c.name, h, err, c.want)
		}
	}
}

func TestRefusal(t *testing.T) {
	addr := netip.MustParseAddrPort("[2001:db8::1]:80")
	sound := wire.Open{ID: 9, Network: wire.NetworkTCP, Port: 80, HasPort: true, Origin: addr, Local: addr}
	for _, c := range []struct {
		name   string
		change func(*wire.Open)
		extra  []wire.TLV
		want   wire.Code
	}{
		{"sound", func(*wire.Open) {}, nil, wire.CodeOK},
		{"a service", func(o *wire.Open) { o.HasPort, o.HasService, o.Service = false, true, "web-1" }, nil, wire.CodeOK},
		{"a host", func(o *wire.Open) { o.HasHost, o.Host = true, "localhost" }, nil, wire.CodeOK},
		{"neither port nor service", func(o *wire.Open) { o.HasPort = false }, nil, wire.CodeGeneral},
		{"port and service", func(o *wire.Open) { o.HasService, o.Service = true, "web" }, nil, wire.CodeGeneral},
		{"a host and no port", func(o *wire.Open) { o.HasPort, o.HasHost, o.Host = false, true, "localhost" }, nil, wire.CodeGeneral},
		{"a host with a service", func(o *wire.Open) {
			o.HasPort, o.HasHost, o.Host, o.HasService, o.Service = false, true, "localhost", true, "web"
		}, nil, wire.CodeGeneral},
		{"port 0", func(o *wire.Open) { o.Port = 0 }, nil, wire.CodeGeneral},
		{"a bad host", func(o *wire.Open) { o.HasHost, o.Host = true, "a b" }, nil, wire.CodeGeneral},
		{"a bad service", func(o *wire.Open) { o.HasPort, o.HasService, o.Service = false, true, "Web" }, nil, wire.CodeUnknownService},
		{"udp", func(o *wire.Open) { o.Network = wire.NetworkUDP }, nil, wire.CodeUnsupported},
		{"a critical tag", func(*wire.Open) {}, []wire.TLV{{Tag: 0x8000}}, wire.CodeUnsupported},
		{"a grease tag", func(*wire.Open) {}, []wire.TLV{{Tag: 0x2A2A, Value: []byte{1}}}, wire.CodeOK},
	} {
		o := sound
		if c.change(&o); !o.HasPort {
			o.Port = 0
		}
		got, err := wire.ParseOpen(wire.AppendOpen(nil, o, c.extra...)[wire.HeaderLen:])
		o.Critical = got.Critical
		if err != nil || got != o {
			t.Errorf("%s: parsed %+v, %v; want %+v", c.name, got, err, o)
		}
		if code, why := got.Refusal(); code != c.want || (why == "") != (code == wire.CodeOK) {
			t.Errorf("%s is refused with %v, %q; want %v", c.name, code, why, c.want)
		}
	}
}

func FuzzParseTLVs(f *testing.F) {
	for _, v := range slices.AppendSeq(slices.Collect(spec.ExtVectors("frame")), spec.AuthVectors("frame")) {
		f.Add(v.Octets.Bytes())
		f.Add(v.Octets.Bytes()[wire.HeaderLen:])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		all, err := wire.ParseTLVs(b)
		if err != nil {
			return
		}
		var again []byte
		for _, v := range all {
			again = wire.AppendTLV(again, v.Tag, v.Value)
		}
		if !bytes.Equal(again, b) {
			t.Errorf("%x encodes again to %x", b, again)
		}
		// Whatever was accepted has to be found by the parsers of the frames too, or be against a rule of theirs.
		for _, client := range []bool{true, false} {
			for _, options := range [][]wire.Tag{nil, {wire.TagAuth}} {
				h, err := wire.ParseHello(b, client, options...)
				if v, ok := errors.AsType[*wire.Violation](err); err != nil && len(b) <= wire.MaxTLVs && (!ok || !slices.Contains([]string{"TLV-001", "TLV-003", "HELLO-005", "AUTH-013"}, v.Req)) {
					t.Errorf("ParseHello(%x, options %v) = %v", b, options, err)
				}
				if h.Auth != nil && options == nil {
					t.Errorf("ParseHello(%x) without the option = %+v", b, h.Auth)
				}
			}
		}
	})
}
