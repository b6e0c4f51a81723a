package wireshark

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"github.com/adit-tunnel/adit/spec"
)

// Ports of the captures. On tunnelPort the dissector knows the roles; decodedAs is the other way to ask for it.
const (
	tunnelPort = 9000
	decodedAs  = 9100
	guessed    = 9200
)

// fields are what tshark is asked for; a packet may have several values of each.
var fields = []string{
	"tcp.stream", "adit.type", "adit.length", "adit.id", "adit.port", "adit.status", "adit.host_length", "adit.code", "adit.limit", "adit.tag", "adit.bind", "adit.request", "adit.requirement",
	"_ws.malformed", "_ws.lua.error", "_ws.expert.message", "_ws.col.Info",
}

// A shown is what tshark shows of one TCP connection: the values of each field in their order.
type shown map[string][]string

// dissect runs tshark over a capture; the answer is indexed by connections in their order.
func dissect(t *testing.T, c *capture, args ...string) []shown {
	t.Helper()
	tshark, err := exec.LookPath("tshark")
	if err != nil {
		t.Skip("not run: tshark is not installed")
	}
	lua, err := os.ReadFile("adit.lua") // by the test itself: a cached result is not taken for a changed dissector
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file, script := filepath.Join(dir, "adit.pcap"), filepath.Join(dir, "adit.lua")
	for name, content := range map[string][]byte{file: c.buf.Bytes(), script: lua} {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	args = append([]string{"-n", "-r", file, "-X", "lua_script:" + script, "-T", "fields", "-E", "separator=/t", "-E", "aggregator=|"}, args...)
	for _, f := range fields {
		args = append(args, "-e", f)
	}
	cmd := exec.CommandContext(t.Context(), tshark, args...)
	cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_CONFIG_HOME="+dir) // nobody's own settings
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil || strings.Contains(errs.String(), "Lua") {
		t.Fatalf("tshark: %v\n%s", err, errs.String())
	}
	var all []shown
	packets := uint32(0)
	for line := range strings.Lines(out.String()) {
		packets++
		values := strings.Split(strings.TrimRight(line, "\n"), "\t")
		if len(values) != len(fields) {
			t.Fatalf("tshark printed %q; want %d fields", line, len(fields))
		}
		n, err := strconv.Atoi(values[0])
		if err != nil || n > len(all) {
			t.Fatalf("tshark printed %q; want the number of a connection", line)
		}
		if n == len(all) {
			all = append(all, shown{})
		}
		for i, f := range fields {
			if f == "_ws.col.Info" {
				if values[1] != "" { // else it is TCP's
					all[n][f] = append(all[n][f], strings.Split(values[i], "; ")...)
				}
			} else if values[i] != "" {
				all[n][f] = append(all[n][f], strings.Split(values[i], "|")...)
			}
		}
	}
	if packets != c.packets {
		t.Fatalf("tshark shows %d of %d packets\n%s", packets, c.packets, errs.String())
	}
	return all
}

// A wanted is what tshark has to show of one TCP connection.
type wanted struct {
	name   string
	fields shown
}

// frame adds what a frame shows; data is the frame with its header.
func (w *wanted) frame(f spec.Decoded, data []byte) {
	add := func(field, format string, v any) {
		w.fields[field] = append(w.fields[field], fmt.Sprintf(format, v))
	}
	kind := data[1]
	w.header(data)
	if f.ID != nil {
		add("adit.id", "%d", *f.ID)
	}
	if f.Port != nil {
		add("adit.port", "%d", *f.Port)
	}
	if f.Status != nil {
		add("adit.status", "0x%02x", *f.Status)
	}
	name := f.Type
	if f.Bind != nil {
		add("adit.bind", "%d", *f.Bind)
		name += fmt.Sprintf(" %d", *f.Bind)
	}
	if f.ID != nil {
		name += fmt.Sprintf(" %d", *f.ID)
	}
	if f.Host != nil {
		add("adit.host_length", "%d", len(*f.Host))
		name += " " + printable(*f.Host)
	} else if f.Port != nil {
		name += " "
	}
	if f.Port != nil {
		name += fmt.Sprintf(":%d", *f.Port)
	}
	if f.Status != nil {
		name += " " + status(*f.Status)
	}
	if f.Code != nil {
		add("adit.code", "0x%04x", *f.Code)
		name += " " + code(*f.Code)
	}
	if f.Limit != nil {
		add("adit.limit", "%d", *f.Limit)
		name += fmt.Sprintf(" %d", *f.Limit)
	}
	for _, v := range f.TLVs {
		add("adit.tag", "%s", strings.ToLower(v.Tag))
	}
	if f.Octets != nil {
		name += fmt.Sprintf(", %d bytes", len(f.Octets.Bytes()))
	}
	switch {
	case kind >= 0x80:
		name = fmt.Sprintf("Private 0x%02X", kind)
	case kind == 0x10 && f.Octets != nil: // as a Core vector has it
		name = "HELLO"
		add("adit.tag", "%s", "0x0000")
	case kind >= 0x10 && kind <= 0x3F && f.Octets != nil:
		name = fmt.Sprintf("Extended 0x%02X", kind)
	case kind == 0 || kind > 5 && kind < 0x10 || kind >= 0x40: // FRAME-009
		name = fmt.Sprintf("Reserved 0x%02X", kind)
		add("adit.requirement", "%s", "FRAME-009")
	}
	add("_ws.col.Info", "%s", name)
}

// printable is a host with each odd byte as \xNN, so that no byte of a peer reaches a terminal.
func printable(host string) string {
	var b strings.Builder
	for i := range len(host) {
		if c := host[i]; c < 0x80 && (unicode.IsLetter(rune(c)) || unicode.IsDigit(rune(c)) || strings.IndexByte(".:_-", c) >= 0) {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, `\x%02x`, c)
		}
	}
	return b.String()
}

// code is the name of a code.
func code(number uint16) string {
	for c := range spec.Codes() {
		if c.Code == number {
			return c.Name
		}
	}
	return "general"
}

// status is the name of a status.
func status(code uint8) string {
	for s := range spec.Statuses() {
		if s.Code == code {
			return s.Name
		}
	}
	return "failure"
}

func (w *wanted) header(data []byte) {
	w.fields["adit.type"] = append(w.fields["adit.type"], fmt.Sprintf("0x%02x", data[1]))
	n := uint32(data[2])<<24 | uint32(data[3])<<16 | uint32(data[4])<<8 | uint32(data[5])
	w.fields["adit.length"] = append(w.fields["adit.length"], fmt.Sprint(n))
}

// fault adds what a frame shows that breaks a rule.
func (w *wanted) fault(f *spec.Failure, data []byte) {
	w.header(data)
	w.fields["adit.requirement"] = append(w.fields["adit.requirement"], f.Requirement)
	w.fields["_ws.col.Info"] = append(w.fields["_ws.col.Info"], f.Requirement)
}

// check compares what is shown with what is wanted.
func (w *wanted) check(t *testing.T, got shown) {
	t.Helper()
	for _, f := range []string{"adit.type", "adit.length", "adit.id", "adit.port", "adit.status", "adit.host_length", "adit.code", "adit.limit", "adit.tag", "adit.bind", "adit.requirement", "_ws.col.Info"} {
		if !slices.Equal(got[f], w.fields[f]) {
			t.Errorf("%s: %s is %q; want %q", w.name, f, got[f], w.fields[f])
		}
	}
	for _, f := range []string{"_ws.malformed", "_ws.lua.error"} {
		if len(got[f]) > 0 {
			t.Errorf("%s: %s is %q", w.name, f, got[f])
		}
	}
	for _, req := range w.fields["adit.requirement"] {
		if !slices.ContainsFunc(got["_ws.expert.message"], func(m string) bool { return strings.HasPrefix(m, req+": ") }) {
			t.Errorf("%s: no expert information cites %s: %q", w.name, req, got["_ws.expert.message"])
		}
	}
	if len(w.fields["adit.requirement"]) == 0 && len(got["_ws.expert.message"]) > 0 {
		t.Errorf("%s: valid, but marked: %q", w.name, got["_ws.expert.message"])
	}
}

// pieces are the sizes into which bytes are cut, 0 for one segment. A long
// frame is cut into segments anyway.
func pieces(n int) []int {
	if n > 300 {
		return []int{0, 1459}
	}
	return []int{0, 1, 5, 7, 11}
}

func cut(data []byte, size int) [][]byte {
	if size == 0 {
		return [][]byte{data}
	}
	return slices.Collect(slices.Chunk(data, size))
}

// A scene is one capture and what is wanted of each of its connections.
type scene struct {
	*capture
	wants []wanted
}

// connection adds one, with a client's port of its own.
func (s *scene) connection(name string, server uint16) (*tcp, *wanted) {
	s.wants = append(s.wants, wanted{name, shown{}})
	return s.capture.connection(uint16(20000+len(s.wants)), server), &s.wants[len(s.wants)-1]
}

func (s *scene) check(t *testing.T, args ...string) {
	t.Helper()
	if len(s.wants) == 0 {
		t.Fatal("no vectors")
	}
	got := dissect(t, s.capture, args...)
	if len(got) != len(s.wants) {
		t.Fatalf("%d connections; want %d", len(got), len(s.wants))
	}
	for i, w := range s.wants {
		w.check(t, got[i])
	}
}

// receives is where a vector's bytes go: the port, and who sends them.
func receives(v spec.Vector) (port uint16, from string) {
	switch v.Role {
	case "server":
		return tunnelPort, "client"
	case "client":
		return tunnelPort, "server"
	}
	return decodedAs, "server" // the dissector knows no roles there
}

// keepAlive follows a frame that is wrong: nothing may be shown of it.
var keepAlive = []byte{0x01, 0x05, 0, 0, 0, 0}

func TestFrameVectors(t *testing.T) {
	s := scene{capture: newCapture()}
	for v := range spec.Vectors("frame") {
		data := v.Octets.Bytes()
		port, from := receives(v)
		for _, size := range pieces(len(data)) {
			conn, want := s.connection(fmt.Sprintf("%s in pieces of %d", v.ID, size), port)
			if v.Expect == "reject" {
				want.fault(v.Error, data)
			} else {
				want.frame(*v.Frame, data)
				want.frame(spec.Decoded{Type: "KeepAlive"}, keepAlive)
			}
			for _, b := range cut(slices.Concat(data, keepAlive), size) {
				conn.send(from, b)
			}
		}
	}
	s.check(t, "-d", fmt.Sprintf("tcp.port==%d,adit", decodedAs))
}

// greet makes a connection's tunnel an extended one: the HELLOs are those of two vectors.
func (s *scene) greet(conn *tcp, want *wanted, client, server string) {
	for i, id := range []string{client, server} {
		v, ok := spec.VectorOf(id)
		if !ok {
			panic("no " + id)
		}
		conn.send([]string{"client", "server"}[i], v.Octets.Bytes())
		want.frame(*v.Frame, v.Octets.Bytes())
	}
}

// The frames of section 24 are shown on a tunnel where both sides have said HELLO.
func TestExtFrameVectors(t *testing.T) {
	s := scene{capture: newCapture()}
	for v := range spec.ExtVectors("frame") {
		data := v.Octets.Bytes()
		port, from := receives(v)
		if v.Error != nil && (v.Error.Layer == "content" || v.Error.Requirement == "TLV-001" && !strings.Contains(v.ID, "_cut")) {
			continue // what a tag may say is not the dissector's business
		}
		for _, size := range pieces(len(data)) {
			conn, want := s.connection(fmt.Sprintf("%s in pieces of %d", v.ID, size), port)
			if data[1] != 0x10 {
				s.greet(conn, want, "frame_hello_empty", "frame_hello_empty")
			}
			switch {
			case v.Expect != "reject":
				want.frame(*v.Frame, data)
				want.frame(spec.Decoded{Type: "KeepAlive"}, keepAlive)
			case data[1] == 0x10 && v.Error.Requirement == "TLV-001": // a Core peer skips it, so what follows is shown
				want.header(data)
				want.fields["adit.requirement"] = append(want.fields["adit.requirement"], "TLV-001")
				want.fields["_ws.col.Info"] = append(want.fields["_ws.col.Info"], "HELLO")
				want.frame(spec.Decoded{Type: "KeepAlive"}, keepAlive)
			default:
				want.fault(v.Error, data)
			}
			for _, b := range cut(slices.Concat(data, keepAlive), size) {
				conn.send(from, b)
			}
		}
	}
	s.check(t, "-d", fmt.Sprintf("tcp.port==%d,adit", decodedAs))
}

// AUTH is a frame of a tunnel whose HELLOs both have the tag auth; of every other one it is against HELLO-006.
func TestAuthFrameVectors(t *testing.T) {
	s := scene{capture: newCapture()}
	for v := range spec.AuthVectors("frame") {
		data := v.Octets.Bytes()
		port, from := receives(v)
		if v.Error != nil && (v.Error.Layer == "type" || v.Error.Requirement == "AUTH-013" || v.ID == "frame_hello_auth_twice") {
			continue // what a tag may say is not the dissector's business, nor how far a handshake has come
		}
		if data[1] == 0x10 {
			conn, want := s.connection(v.ID, port)
			if want.header(data); v.Error != nil {
				want.fields["adit.requirement"] = []string{v.Error.Requirement}
			} else {
				for _, tlv := range v.Frame.TLVs {
					want.fields["adit.tag"] = append(want.fields["adit.tag"], strings.ToLower(tlv.Tag))
				}
			}
			want.fields["_ws.col.Info"] = []string{"HELLO"}
			conn.send(from, data)
			continue
		}
		for _, agreed := range []bool{true, false} {
			for _, size := range pieces(len(data)) {
				conn, want := s.connection(fmt.Sprintf("%s in pieces of %d, auth agreed: %v", v.ID, size, agreed), port)
				if agreed {
					s.greet(conn, want, "frame_hello_auth_client", "frame_hello_auth_server")
				} else {
					s.greet(conn, want, "frame_hello_auth_client", "frame_hello_empty")
				}
				switch {
				case !agreed:
					want.fault(&spec.Failure{Requirement: "HELLO-006"}, data)
				case v.Expect == "reject":
					want.fault(v.Error, data)
				default:
					want.frame(*v.Frame, data)
					want.frame(spec.Decoded{Type: "KeepAlive"}, keepAlive)
				}
				for _, b := range cut(slices.Concat(data, keepAlive), size) {
					conn.send(from, b)
				}
			}
		}
	}
	s.check(t, "-d", fmt.Sprintf("tcp.port==%d,adit", decodedAs))
}

// BIND, BOUND and UNBIND are frames of a tunnel whose HELLOs both have the tag bind; of every other one they are against HELLO-006.
func TestBindFrameVectors(t *testing.T) {
	s := scene{capture: newCapture()}
	for v := range spec.BindVectors("frame") {
		data := v.Octets.Bytes()
		port, from := receives(v)
		if v.Error != nil && v.Error.Layer != "type" && v.Error.Requirement != "FRAME-008" || data[1] == 0x10 {
			continue // what a tag may say is not the dissector's business
		}
		for server, agreed := range map[string]bool{"frame_hello_bind": true, "frame_hello_empty": false} {
			conn, want := s.connection(fmt.Sprintf("%s, bind agreed: %v", v.ID, agreed), port)
			s.greet(conn, want, "frame_hello_bind", server)
			switch {
			case !agreed:
				want.fault(&spec.Failure{Requirement: "HELLO-006"}, data)
			case v.Expect == "reject":
				want.fault(v.Error, data)
			default:
				want.frame(*v.Frame, data)
				want.frame(spec.Decoded{Type: "KeepAlive"}, keepAlive)
			}
			conn.send(from, slices.Concat(data, keepAlive))
		}
	}
	s.check(t, "-d", fmt.Sprintf("tcp.port==%d,adit", decodedAs))
}

// Before both sides have said HELLO they are skipped, whatever their size.
func TestExtFramesOnACoreTunnel(t *testing.T) {
	s := scene{capture: newCapture()}
	for _, id := range []string{"frame_size_window_11", "frame_tlv_open_cut", "frame_role_open_from_client", "frame_role_option_type"} {
		v, ok := spec.VectorOf(id)
		if !ok {
			t.Fatalf("no vector %s", id)
		}
		conn, _ := s.connection(id, tunnelPort)
		conn.send("client", slices.Concat([]byte("\x01\x10\x00\x00\x00\x00"), v.Octets.Bytes(), keepAlive)) // nobody answers the HELLO
	}
	for i, got := range dissect(t, s.capture) {
		if types := got["adit.type"]; len(types) != 3 || types[2] != "0x05" || len(got["adit.requirement"]) > 0 {
			t.Errorf("%s: types %q, requirements %q; want HELLO, it and a KeepAlive, and nothing marked", s.wants[i].name, types, got["adit.requirement"])
		}
	}
}

func TestStreamVectors(t *testing.T) {
	s := scene{capture: newCapture()}
	for v := range spec.Vectors("stream") {
		var chunks [][]byte
		for _, c := range v.Chunks {
			chunks = append(chunks, c.Bytes())
		}
		data := slices.Concat(chunks...)
		if len(data) == 0 {
			continue // there is no segment to show
		}
		port, from := receives(v)
		cuts := [][][]byte{chunks}
		for _, size := range pieces(len(data)) {
			cuts = append(cuts, cut(data, size))
		}
		for i, chunks := range cuts {
			conn, want := s.connection(fmt.Sprintf("%s, cut %d", v.ID, i), port)
			rest := data
			for _, f := range v.Frames {
				n := 6 + (int(rest[2])<<24 | int(rest[3])<<16 | int(rest[4])<<8 | int(rest[5]))
				want.frame(f, rest[:n])
				rest = rest[n:]
			}
			if v.Error != nil {
				want.fault(v.Error, rest)
			}
			for _, b := range chunks {
				conn.send(from, b)
			}
		}
	}
	s.check(t, "-d", fmt.Sprintf("tcp.port==%d,adit", decodedAs))
}

// dialogue adds the steps of a dialogue up to the end of its tunnel or to what its peer does wrong.
func (s *scene) dialogue(v spec.Vector, size int, port uint16) {
	if !slices.ContainsFunc(v.Steps, func(step spec.Step) bool { return step.From != "" && step.Frame != nil }) {
		return
	}
	conn, want := s.connection(fmt.Sprintf("%s in pieces of %d", v.ID, size), port)
	for _, step := range v.Steps {
		if step.Event == "tunnel ends" || step.Event == "tunnel begins" {
			return
		}
		if step.From == "" {
			continue
		}
		b := step.Octets.Bytes()
		peer := v.Error != nil && v.Role != step.From && v.Error.Dies == "tunnel"
		misplaced := step.Frame != nil && (step.From == "client" && step.Frame.Type == "ConnectRequest" || step.From == "server" && step.Frame.Type == "ConnectResponse")
		wrong := peer && (step.Frame == nil || misplaced)
		switch {
		case wrong:
			want.fault(v.Error, b)
		case step.Frame != nil:
			want.frame(*step.Frame, b)
		case v.Error != nil: // a host that the vector cannot name
			want.frame(spec.Decoded{Type: "ConnectRequest", ID: new(uint32(1)), Port: new(uint16(22)), Host: new(string(b[13:]))}, b)
		}
		for _, b := range cut(b, size) {
			conn.send(step.From, b)
		}
		if wrong {
			return
		}
	}
}

func TestDialogueVectors(t *testing.T) {
	s := scene{capture: newCapture()}
	for v := range spec.Vectors("dialogue") {
		for _, size := range pieces(0) {
			s.dialogue(v, size, tunnelPort)
		}
	}
	s.check(t)
}

// On a port that nobody named, a tunnel is recognised by its frames, and other protocols are left alone.
func TestHeuristic(t *testing.T) {
	s := scene{capture: newCapture()}
	v, ok := spec.VectorOf("dialogue_whole_session")
	if !ok {
		t.Fatal("no dialogue_whole_session")
	}
	s.dialogue(v, 0, guessed)
	conn, want := s.connection("a frame that proves nothing, on a port that was recognised", guessed)
	conn.send("client", keepAlive)
	want.frame(spec.Decoded{Type: "KeepAlive"}, keepAlive)
	conn.send("client", []byte("\x01\x80\x00\x00\x00\x00"))
	want.frame(spec.Decoded{Type: "0x80"}, []byte("\x01\x80\x00\x00\x00\x00"))
	tunnels := len(s.wants)
	for name, data := range map[string]string{
		"HTTP":                 "GET / HTTP/1.1\r\n\r\n",
		"a greeting of SSH":    "SSH-2.0-x\r\n",
		"a foreign version":    "\x02\x05\x00\x00\x00\x00",
		"an unknown type":      "\x01\x80\x00\x00\x00\x00",
		"a wrong size":         "\x01\x04\x00\x00\x00\x05\x00\x00\x00\x01\x00",
		"bytes that are short": "\x01\x05",
	} {
		conn, _ := s.connection(name, guessed)
		conn.send("client", []byte(data))
	}
	got := dissect(t, s.capture)
	for i, w := range s.wants {
		if i < tunnels {
			w.check(t, got[i])
		} else if frames := got[i]["adit.type"]; len(frames) > 0 {
			t.Errorf("%s: taken for a tunnel: %q", w.name, frames)
		}
	}
}

// A connection's frames lead to the packet with its request, in Wireshark's second pass, too.
func TestLinkToRequest(t *testing.T) {
	s := scene{capture: newCapture()}
	conn, _ := s.connection("an ID used twice", tunnelPort)
	for _, packet := range []struct{ from, data string }{
		{"server", "\x01\x01\x00\x00\x00\x06\x00\x00\x00\x07\x00\x16"},
		{"server", "\x01\x01\x00\x00\x00\x06\x00\x00\x00\x08\x00\x16"},
		{"client", "\x01\x02\x00\x00\x00\x05\x00\x00\x00\x07\x01"},
		{"server", "\x01\x01\x00\x00\x00\x06\x00\x00\x00\x07\x00\x16"},
		{"client", "\x01\x02\x00\x00\x00\x05\x00\x00\x00\x08\x00\x01\x02\x00\x00\x00\x05\x00\x00\x00\x07\x00"},
		{"server", "\x01\x04\x00\x00\x00\x04\x00\x00\x00\x09"},
	} {
		conn.send(packet.from, []byte(packet.data))
	}
	for _, pass := range []string{"-n", "-2"} {
		got := dissect(t, s.capture, pass)[0]["adit.request"]
		if want := []string{"1", "2", "4"}; !slices.Equal(got, want) {
			t.Errorf("tshark %s: the requests are in the packets %q; want %q", pass, got, want)
		}
	}
}

// What follows an error is shown as bytes, in Wireshark's second pass, too.
func TestBytesAfterAnErrorAreNotDissected(t *testing.T) {
	s := scene{capture: newCapture()}
	conn, want := s.connection("a foreign version", tunnelPort)
	conn.send("client", []byte("\x02\x05\x00\x00\x00\x00"))
	want.fault(&spec.Failure{Requirement: "FRAME-002"}, []byte("\x02\x05\x00\x00\x00\x00"))
	conn.send("client", keepAlive)
	conn.send("server", keepAlive) // the other direction lives until its sender has read the error
	want.frame(spec.Decoded{Type: "KeepAlive"}, keepAlive)
	s.check(t)
	s.check(t, "-2")
}

// Where the capture lacks bytes no frame is reported as broken.
func TestTruncatedCapture(t *testing.T) {
	s := scene{capture: newCapture()}
	for _, kept := range []int{3, 8, 12} { // of 15 bytes, and 6
		conn, _ := s.connection(fmt.Sprintf("%d bytes kept", kept), tunnelPort)
		s.snap = 40 + kept
		conn.send("client", []byte("\x01\x03\x00\x00\x00\x09\x00\x00\x00\x01hello"))
		conn.send("client", []byte("\x00\x00\x00\x00\x00\x00"))
		conn.send("client", keepAlive)
	}
	for i, got := range dissect(t, s.capture) {
		if len(got["adit.requirement"])+len(got["_ws.malformed"]) > 0 || len(got["_ws.expert.message"]) != 3 {
			t.Errorf("%s: requirements %q, malformed %q, notes %q; want a note in each packet alone", s.wants[i].name, got["adit.requirement"], got["_ws.malformed"], got["_ws.expert.message"])
		}
	}
}

func TestPortPreference(t *testing.T) {
	s := scene{capture: newCapture()}
	conn, want := s.connection("a request from a client", guessed)
	request := []byte("\x01\x01\x00\x00\x00\x06\x00\x00\x00\x07\x00\x16")
	conn.send("client", request)
	want.fault(&spec.Failure{Requirement: "OPEN-010"}, request)
	s.check(t, "-o", fmt.Sprintf("adit.port:%d", guessed))
}
