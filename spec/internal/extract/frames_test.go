package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/adit-tunnel/adit/spec"
)

const limit = 1 << 20

func TestReadForm(t *testing.T) {
	number := func(name, kind string, size int) spec.Field { return spec.Field{Name: name, Kind: kind, Size: size} }
	id := number("id", "u32", 4)
	for _, c := range []struct {
		payload, size string
		min, max      int
		fields        []spec.Field
	}{
		{"nothing", "0", 0, 0, nil},
		{"id u32", "4", 4, 4, []spec.Field{id}},
		{"a u8, b u16, c u32, d u64", "15", 15, 15, []spec.Field{number("a", "u8", 1), number("b", "u16", 2), number("c", "u32", 4), number("d", "u64", 8)}},
		{"token 8 octets", "8", 8, 8, []spec.Field{number("token", "octets", 8)}},
		{"n u8, host n octets", "1 + n", 1, 256, []spec.Field{number("n", "u8", 1), {Name: "host", Kind: "octets", Count: "n"}}},
		{"n u16, host n octets, end u8", "3 + n", 3, 65538, []spec.Field{number("n", "u16", 2), {Name: "host", Kind: "octets", Count: "n"}, number("end", "u8", 1)}},
		{"id u32, octets", "4 or more", 4, limit, []spec.Field{id, {Name: "octets", Kind: "octets"}}},
		{"id u32, code u16, text", "6 to 262", 6, 262, []spec.Field{id, number("code", "u16", 2), {Name: "text", Kind: "text"}}},
		{"TLVs", "0 to 4096", 0, 4096, []spec.Field{{Name: "tlvs", Kind: "tlvs"}}},
	} {
		f, err := readForm("—", c.payload, c.size, limit)
		if err != nil || f.Name != "" || f.Min != c.min || f.Max != c.max || !slices.Equal(f.Fields, c.fields) {
			t.Errorf("readForm(%s | %s) = %+v, %v; want %d to %d, %+v", c.payload, c.size, f, err, c.min, c.max, c.fields)
		}
	}
	for _, c := range []struct{ payload, size, want string }{
		{"id u32, port u16", "7", `the fields make it "6"`},
		{"nothing", "1", `the fields make it "0"`},
		{"n u8, host n octets", "1", `the fields make it "1 + n"`},
		{"n u8, host n octets", "1 + m", `the fields make it "1 + n"`},
		{"id u32, octets", "4", `"4 or more", or "4 to N"`},
		{"id u32, octets", "3 or more", `"4 or more", or "4 to N"`},
		{"id u32, octets", "3 to 9", `"4 or more", or "4 to N"`},
		{"id u32, octets", "5 to 9", `"4 or more", or "4 to N"`},
		{"id u32, octets", "4 to 4", "ends where it begins"},
		{"id u32, octets", "4 to 1048577", "section 17 allows a payload 1048576"},
		{"id u24", "3", "want a name with u8"},
		{"ID u32", "4", "want a name with u8"},
		{"id u32,port u16", "6", "want a name with u8"},
		{"id u32, ", "4", "want a name with u8"},
		{"id u32, id u16", "6", "second field id"},
		{"octets, id u32", "4 or more", "which takes all that is left"},
		{"host n octets", "0 + n", "no u8 or u16 before it is named n"},
		{"n u32, host n octets", "4 + n", "no u8 or u16 before it is named n"},
		{"host n octets, n u8", "1 + n", "no u8 or u16 before it is named n"},
		{"nothing octets", "0 or more", "want a name with u8"},
	} {
		if f, err := readForm("—", c.payload, c.size, limit); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("readForm(%s | %s) = %+v, %v; want %q", c.payload, c.size, f, err, c.want)
		}
	}
}

// A frame that the type registry does not bear out is refused, with the line of its row.
func TestRefusesBadFrames(t *testing.T) {
	md := protocol(t)
	for _, c := range []struct{ name, row, bad, want string }{
		{"a size that differs from the fields", "| id u32, status u8 | 5 |", "| id u32, status u8 | 6 |", `ConnectResponse: size "6"; the fields make it "5"`},
		{"a field wider than the size", "| id u32, status u8 | 5 |", "| id u32, status u16 | 5 |", `the fields make it "6"`},
		{"another sender", "| Data | — | both |", "| Data | — | client |", `says "Core, both ways"`},
		{"an unknown sender", "| Data | — | both |", "| Data | — | all |", `sent by "all"`},
		{"another profile", "| Data | — | both | connection | core |", "| Data | — | both | connection | base |", `"base, both ways" here`},
		{"an unknown scope", "| KeepAlive | — | both | tunnel |", "| KeepAlive | — | both | world |", `scope "world"`},
		{"an unknown name", "| 0x03 | Data | — |", "| 0x03 | Date | — |", "Date, is not in use"},
		{"an unknown type", "| 0x03 | Data | — |", "| 0x07 | Data | — |", "type 0x07, Data, is not in use"},
		{"a type above 0xFF", "| 0x03 | Data | — |", "| 0x103 | Data | — |", "0x103"},
		{"no ID in front", "| id u32, status u8 | 5 |", "| status u8, id u32 | 5 |", "begins with id u32"},
		{"two forms of a size", "| id u32, port u16 | 6 |", "| id u32, port u16, n u8 | 7 |", "forms short and addressed allow the same size"},
		{"two forms of a name", "| addressed |", "| short |", "needs a name of its own"},
		{"two forms without name", "| addressed |", "| — |", "needs a name of its own"},
		{"forms that differ in scope", "| addressed | server | connection |", "| addressed | server | tunnel |", "want the rows in the order of their types"},
	} {
		bad := strings.Replace(md, c.row, c.bad, 1)
		if bad == md {
			t.Fatalf("%s: nothing replaced", c.name)
		}
		line := strings.Count(md[:strings.Index(md, c.row)], "\n") + 1
		if c.name == "two forms of a size" {
			line++ // the second of them is at fault
		}
		want := fmt.Sprintf("PROTOCOL.md:%d: table frames: ", line)
		if err := readTables(t, bad); err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: read = %v; want %s… %q", c.name, err, want, c.want)
		}
	}
}

// A type in use without a frame is refused.
func TestRefusesATypeWithoutFrame(t *testing.T) {
	md := protocol(t)
	for _, c := range []struct{ name, row, bad, want string }{
		{"a row left out", "| 0x05 | KeepAlive | — | both | tunnel | core | nothing | 0 |\n", "", "no row for type 0x05, KeepAlive"},
		{"a new type", "| 0x06–0x0F | reserved |", "| 0x06 | Bell | Core, both ways |\n| 0x07–0x0F | reserved |", "no row for type 0x06, Bell"},
	} {
		bad := strings.Replace(md, c.row, c.bad, 1)
		if bad == md {
			t.Fatalf("%s: nothing replaced", c.name)
		}
		if err := readTables(t, bad); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: read = %v; want %q", c.name, err, c.want)
		}
	}
}
