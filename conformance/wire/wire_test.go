package wire

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/adit-tunnel/adit/spec"
)

// The types that the code names are those of the table, and every field of the table has a place in a description.
func TestTheTableIsKnown(t *testing.T) {
	named := map[string]Type{
		"ConnectRequest": TypeConnectRequest, "ConnectResponse": TypeConnectResponse,
		"Data": TypeData, "Close": TypeClose, "KeepAlive": TypeKeepAlive,
	}
	n := 0
	for row := range spec.Frames() {
		n++
		typ := Type(row.Type)
		if got, ok := named[row.Name]; row.Profile == "core" && (!ok || got != typ) {
			t.Errorf("%s is 0x%02X in the table, 0x%02X here", row.Name, row.Type, byte(got))
		}
		if typ.String() != row.Name || !typ.Known() || typ.From() != row.From {
			t.Errorf("type 0x%02X is %s from %s; want %s from %s", row.Type, typ, typ.From(), row.Name, row.From)
		}
		for _, m := range row.Forms {
			f := Raw(typ, make([]byte, m.Min)...)
			if d, err := Encode(Decode(f)); err != nil || !bytes.Equal(d.Bytes(), f.Bytes()) {
				t.Errorf("%s %s of %d octets does not survive a description: % x, %v", row.Name, m.Name, m.Min, d.Bytes(), err)
			}
			if typ.HasID() && m.Fields[0].Name != "id" {
				t.Errorf("%s is about a connection and does not begin with its ID", row.Name)
			}
		}
	}
	if n < len(named) {
		t.Errorf("%d rows; want %d at least", n, len(named))
	}
}

func TestSizes(t *testing.T) {
	for _, c := range []struct {
		f    Frame
		want string // what Malformed says must be
	}{
		{Raw(TypeConnectRequest, 0, 0, 0, 1, 0), "6, or 7 and the length that it states"},
		{Raw(TypeConnectRequest, 0, 0, 0, 1, 0, 22), ""},
		{Raw(TypeConnectRequest, 0, 0, 0, 1, 0, 22, 0), ""},
		{Raw(TypeConnectRequest, 0, 0, 0, 1, 0, 22, 1), "6, or 7 and the length that it states"},
		{Raw(TypeConnectRequest, 0, 0, 0, 1, 0, 22, 1, 'h'), ""},
		{Raw(TypeConnectRequest, 0, 0, 0, 1, 0, 22, 1, 'h', 'o'), "6, or 7 and the length that it states"},
		{Raw(TypeConnectRequest, make([]byte, 7+256)...), "6, or 7 and the length that it states"},
		{Raw(TypeConnectResponse, 0, 0, 0, 1), "5"},
		{Raw(TypeConnectResponse, 0, 0, 0, 1, 0), ""},
		{Raw(TypeConnectResponse, 0, 0, 0, 1, 0, 0), "5"},
		{Raw(TypeData, 0, 0, 1), "4 or more"},
		{Raw(TypeData, 0, 0, 0, 1), ""},
		{Raw(TypeClose, 0, 0, 0, 1, 0), "4"},
		{Raw(TypeKeepAlive, 0), "0"},
		{Raw(0x06), ""},
		{Raw(0x80, 1, 2, 3), ""},
	} {
		got := ""
		if err := c.f.Malformed(); err != nil {
			_, got, _ = strings.Cut(err.Error(), "must be ")
		}
		if got != c.want {
			t.Errorf("%s payload of %d octets: must be %q; want %q", c.f.Type, c.f.Size, got, c.want)
		}
	}
}

func TestText(t *testing.T) {
	long := bytes.Repeat([]byte{'x'}, 30)
	for _, c := range []struct {
		f    Frame
		want string
		hex  string
	}{
		{Request(7, 22), "ConnectRequest id=7 port=22", "01 01 00 00 00 06 | 00 00 00 07 00 16"},
		{RequestTo(7, "a\nb", 22), `ConnectRequest id=7 port=22 host="a\nb"`, "01 01 00 00 00 0a | 00 00 00 07 00 16 03 61 0a 62"},
		{Response(7, 2), "ConnectResponse id=7 status=0x02", "01 02 00 00 00 05 | 00 00 00 07 02"},
		{Data(7, nil), "Data id=7 0 octets", "01 03 00 00 00 04 | 00 00 00 07"},
		{Data(7, []byte("ab")), "Data id=7 2 octets 61 62", "01 03 00 00 00 06 | 00 00 00 07 61 62"},
		{Data(7, long), "Data id=7 30 octets 78" + strings.Repeat(" 78", 23) + "…", "01 03 00 00 00 22 | 00 00 00 07" + strings.Repeat(" 78", 24) + "…"},
		{Frame{1, TypeData, 34, append(u32(7), 'x')}, "Data id=7 30 octets 78…", "01 03 00 00 00 22 | 00 00 00 07 78…"},
		{Close(7), "Close id=7", "01 04 00 00 00 04 | 00 00 00 07"},
		{KeepAlive(), "KeepAlive", "01 05 00 00 00 00"},
		{Raw(TypeClose, 1), "Close malformed, 1 octets 01", "01 04 00 00 00 01 | 01"},
		{Raw(0x80, 1, 2), "type 0x80 2 octets 01 02", "01 80 00 00 00 02 | 01 02"},
		{Frame{Version: 2, Type: 5}, "version 0x02", "02 05 00 00 00 00"},
		{Frame{1, TypeData, 1<<20 + 1, nil}, "Data with a length of 1048577 octets", "01 03 00 10 00 01…"},
	} {
		if got := c.f.String(); got != c.want {
			t.Errorf("shown as %q; want %q", got, c.want)
		}
		if got := c.f.Hex(); got != c.hex {
			t.Errorf("%s in hex is %q; want %q", c.want, got, c.hex)
		}
	}
}

func TestSplit(t *testing.T) {
	whole := slices.Concat(Close(1).Bytes(), Data(2, []byte("x")).Bytes())
	for _, rest := range [][]byte{nil, {1}, Header(2, 5, 0), Header(1, TypeData, 9)} {
		frames, left := Split(slices.Concat(whole, rest))
		if len(frames) != 2 || frames[0].String() != "Close id=1" || frames[1].String() != "Data id=2 1 octets 78" || !bytes.Equal(left, rest) {
			t.Errorf("%v and % x; want two frames and % x", frames, left, rest)
		}
	}
}

// FuzzScanner lets octets come in pieces: what is found does not depend on them, and is what Read finds.
func FuzzScanner(f *testing.F) {
	for v := range spec.Vectors("stream") {
		var all []byte
		for _, c := range v.Chunks {
			all = append(all, c.Bytes()...)
		}
		f.Add(all, 3)
	}
	f.Fuzz(func(t *testing.T, b []byte, piece int) {
		piece = min(max(piece, 1), 1<<20)
		pieces := scanChunks(slices.Collect(slices.Chunk(b, piece)))
		for i, s := range pieces {
			got, _, err := Read(bytes.NewReader(b))
			switch {
			case err == nil:
				if s.Type != got.Type || s.Size != got.Size || s.Sized() != got.Sized() || !bytes.HasPrefix(got.Payload, s.Payload) {
					t.Fatalf("frame %d is scanned as %v; read as %v", i, s, got)
				}
				b = b[HeaderLen+len(got.Payload):]
			case s.Framing() != nil:
				if s.Framing() != err || i != len(pieces)-1 {
					t.Fatalf("frame %d of %d: scanned as %v; read as %v", i, len(pieces), s.Framing(), err)
				}
			default: // the last, not yet complete
				if i != len(pieces)-1 {
					t.Fatalf("frame %d of %d is not complete", i, len(pieces))
				}
			}
		}
	})
}

// What a scanner does with octets that pass costs no memory.
func TestScanningAllocatesNothing(t *testing.T) {
	b := slices.Concat(Data(7, make([]byte, 1000)).Bytes(), RequestTo(7, "host", 22).Bytes(), Close(7).Bytes())
	var s Scanner
	sound := true
	pass := func(b []byte) {
		for len(b) > 0 {
			var f Frame
			var ok bool
			if b, f, ok = s.Next(b); ok {
				sound = sound && f.Sound() && f.ID() == 7
			}
		}
	}
	pass(b[:3]) // one frame is split between reads
	pass(b[3:])
	if n := testing.AllocsPerRun(100, func() { pass(b[:1020]); pass(b[1020:]) }); n > 0 {
		t.Errorf("%v allocations for three frames; want none", n)
	}
	if !sound {
		t.Error("a frame was not read as it is")
	}
}
