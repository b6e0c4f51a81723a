package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/adit-tunnel/adit/spec"
)

// A msg is a frame as octets and as what they mean.
type msg struct {
	octets spec.Octets
	frame  *spec.Decoded // nil: means nothing
}

func u8(n int) spec.Octets  { return number(n, 1) }
func u16(n int) spec.Octets { return number(n, 2) }
func u32(n int) spec.Octets { return number(n, 4) }

// number is n in a field of size octets.
func number(n, size int) spec.Octets { return spec.Octets(fmt.Sprintf("%0*x", 2*size, n)) }

// str is the octets of a text.
func str(s string) spec.Octets { return spec.Octets(fmt.Sprintf("%x", s)) }

// times repeats one octet.
func times(octet, n int) spec.Octets { return spec.Octets(fmt.Sprintf("%02x*%d", octet, n)) }

func join(parts ...spec.Octets) spec.Octets {
	var s []string
	for _, p := range parts {
		if p != "" {
			s = append(s, string(p))
		}
	}
	return spec.Octets(strings.Join(s, " "))
}

// lower writes hex digits in lower case, as the schema wants them.
func lower(o spec.Octets) spec.Octets { return spec.Octets(strings.ToLower(string(o))) }

func size(o spec.Octets) int { return len(o.Bytes()) }

// raw writes a header of any content before a payload of any size.
func raw(version, typ, length int, payload ...spec.Octets) spec.Octets {
	return join(u8(version), u8(typ), u32(length), join(payload...))
}

// sized writes a frame of version 1 whose length is that of its payload.
func sized(typ int, payload ...spec.Octets) spec.Octets {
	p := join(payload...)
	return raw(1, typ, size(p), p)
}

// shape is the frame of a name.
func shape(name string) spec.Frame {
	f, ok := spec.FrameNamed(name)
	if !ok {
		panic("vecgen: internal error: no frame is named " + name)
	}
	return f
}

// typ is the type of the frame of a name.
func typ(name string) int { return int(shape(name).Type) }

// build writes a frame in one of its forms. The values are those of its fields in their order, without the
// counts, which follow from what they count: an int or a uint64 for a number, a string for text, TLVs, else spec.Octets.
func build(name, form string, values ...any) msg {
	f := shape(name)
	m, ok := f.FormNamed(form)
	if !ok {
		panic("vecgen: internal error: " + name + " has no form " + form)
	}
	octets, decoded := map[string]spec.Octets{}, map[string]any{"type": name}
	if form != "" {
		decoded["form"] = form
	}
	for _, field := range m.Fields {
		if _, counts := m.Counted(field.Name); counts {
			continue
		}
		decoded[field.Name] = values[0]
		switch v := values[0].(type) {
		case int:
			octets[field.Name] = number(v, field.Size)
		case uint64:
			octets[field.Name] = spec.Octets(fmt.Sprintf("%0*x", 2*field.Size, v))
		case []spec.DecodedTLV:
			octets[field.Name] = tlvOctets(v)
		case string:
			octets[field.Name] = str(v)
		case spec.Octets:
			octets[field.Name] = v
		}
		values = values[1:]
	}
	if len(values) > 0 {
		panic(fmt.Sprintf("vecgen: internal error: %s has no field for %v", name, values))
	}
	var payload []spec.Octets
	for _, field := range m.Fields {
		if counted, counts := m.Counted(field.Name); counts {
			octets[field.Name] = number(size(octets[counted.Name]), field.Size)
		}
		payload = append(payload, octets[field.Name])
	}
	return msg{sized(int(f.Type), payload...), decode(decoded)}
}

// decode makes a vector's frame of the values of its fields, by the names that both have in JSON.
func decode(values map[string]any) *spec.Decoded {
	b, err := json.Marshal(values)
	if err != nil {
		panic("vecgen: internal error: " + err.Error())
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	var f spec.Decoded
	if err := d.Decode(&f); err != nil {
		panic("vecgen: internal error: " + err.Error())
	}
	return &f
}

func addressed(id, port int, host string) msg {
	return build("ConnectRequest", "addressed", id, port, host)
}
func short(id, port int) msg              { return build("ConnectRequest", "short", id, port) }
func response(id, status int) msg         { return build("ConnectResponse", "", id, status) }
func data(id int, octets spec.Octets) msg { return build("Data", "", id, octets) }
func closing(id int) msg                  { return build("Close", "", id) }
func keepAlive() msg                      { return build("KeepAlive", "") }

// unknown is a frame of a type that Core does not know.
func unknown(typ int, payload spec.Octets) msg {
	return msg{sized(typ, payload), &spec.Decoded{Type: fmt.Sprintf("0x%02X", typ), Octets: &payload}}
}
