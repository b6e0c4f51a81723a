package engine

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/adit-tunnel/adit/conformance/wire"
	"github.com/adit-tunnel/adit/spec"
)

// A Matcher tells the frame that a case waits for from frames that may come
// before it, and from those that must not. It is data, so that a dialogue can say the same.
type Matcher struct {
	want string
	like []spec.Decoded // any of these
	free []string       // fields whose values do not matter; a free status stays a success or a failure
	over []Type         // types of the same ID that may come first
	next bool           // no other frame may come first, but those that skip names
	skip func(Frame) bool
}

// decoded is a description of a frame without an ID.
func decoded(t Type) spec.Decoded { return spec.Decoded{Type: t.String()} }

// about is a description of a frame about an ID.
func about(t Type, id uint32) spec.Decoded { return spec.Decoded{Type: t.String(), ID: &id} }

func response(id uint32, status byte) spec.Decoded {
	d := about(TypeConnectResponse, id)
	d.Status = &status
	return d
}

// AnyRequest matches the next ConnectRequest.
func AnyRequest() Matcher {
	return Matcher{want: "a ConnectRequest", like: []spec.Decoded{decoded(TypeConnectRequest)}, free: []string{"id", "form", "host"}}
}

// AnyResponse matches the ConnectResponse for id, whatever its status.
func AnyResponse(id uint32) Matcher {
	return Matcher{
		want: fmt.Sprintf("a ConnectResponse for ID %d", id), free: []string{"status"},
		like: []spec.Decoded{response(id, Success), response(id, StatusGeneral)},
	}
}

// SuccessFor matches a ConnectResponse for id with status success.
func SuccessFor(id uint32) Matcher {
	return Matcher{want: fmt.Sprintf("a ConnectResponse for ID %d with status 0x00", id), like: []spec.Decoded{response(id, Success)}}
}

// FailureFor matches a ConnectResponse for id with any status but success.
func FailureFor(id uint32) Matcher {
	return Matcher{
		want: fmt.Sprintf("a ConnectResponse for ID %d with a failure status", id), free: []string{"status"},
		like: []spec.Decoded{response(id, StatusGeneral)},
	}
}

// DataFor matches the next Data for id.
func DataFor(id uint32) Matcher {
	return Matcher{want: fmt.Sprintf("Data for ID %d", id), like: []spec.Decoded{about(TypeData, id)}, free: []string{"octets"}}
}

// AnyData matches the next Data of any connection.
func AnyData() Matcher {
	return Matcher{want: "Data", like: []spec.Decoded{decoded(TypeData)}, free: []string{"id", "octets"}}
}

// CloseFor matches the Close for id; Data for id that comes first is passed over, and gone.
func CloseFor(id uint32) Matcher {
	return Matcher{want: fmt.Sprintf("Close for ID %d", id), like: []spec.Decoded{about(TypeClose, id)}, over: []Type{TypeData}}
}

// FailureOrCloseFor matches what ends a request that was not opened: a
// failure response, or a Close in its place.
func FailureOrCloseFor(id uint32) Matcher {
	m := FailureFor(id)
	m.want = fmt.Sprintf("a failure response or a Close for ID %d", id)
	m.like = append(m.like, about(TypeClose, id))
	return m
}

// AKeepAlive matches a KeepAlive.
func AKeepAlive() Matcher {
	return Matcher{want: "a KeepAlive", like: []spec.Decoded{decoded(TypeKeepAlive)}}
}

// AnythingFor matches any frame about id.
func AnythingFor(id uint32) Matcher {
	m := AnythingButCloseFor(id)
	m.want = fmt.Sprintf("a frame for ID %d", id)
	m.like = append(m.like, about(TypeClose, id))
	return m
}

// AnythingButCloseFor matches any frame about id but Close, of which Data for an idle ID may get several (DATA-004).
func AnythingButCloseFor(id uint32) Matcher {
	m := AnyResponse(id)
	m.want = fmt.Sprintf("a frame for ID %d that is no Close", id)
	m.like = append(m.like, about(TypeData, id), about(TypeConnectRequest, id))
	m.free = append(m.free, "octets", "form", "host")
	return m
}

// Of matches the frame that a step of a dialogue describes. Unless others may
// come first, it has to be the next one but for those that skip names.
func Of(s spec.Step, skip func(Frame) bool) Matcher {
	m := Matcher{like: append([]spec.Decoded{*s.Frame}, s.Or...), free: s.Free, next: !s.Others, skip: skip}
	if s.Others && s.Frame.Type == TypeClose.String() {
		m.over = []Type{TypeData}
	}
	for i, d := range m.like {
		if i > 0 {
			m.want += " or "
		}
		m.want += Describe(d, m.free)
	}
	return m
}

// Describe is the frame of a description for people, without the fields that are free.
func Describe(d spec.Decoded, free []string) string {
	text := d.Type
	if d.ID != nil && !slices.Contains(free, "id") {
		text += fmt.Sprintf(" id=%d", *d.ID)
	}
	if d.Bind != nil && !slices.Contains(free, "bind") {
		text += fmt.Sprintf(" bind=%d", *d.Bind)
	}
	switch {
	case d.Status == nil:
	case !slices.Contains(free, "status"):
		text += fmt.Sprintf(" status=0x%02X", *d.Status)
	case *d.Status == Success:
		text += " with success"
	default:
		text += " with a failure status"
	}
	if d.Code != nil && !slices.Contains(free, "code") {
		text += fmt.Sprintf(" code=0x%04X", *d.Code)
	}
	if d.Mark != nil {
		text += fmt.Sprintf(" mark=%x", d.Mark.Bytes())
	}
	if d.Limit != nil && !slices.Contains(free, "limit") {
		text += fmt.Sprintf(" limit=%d", *d.Limit)
	}
	return text
}

// same reports whether f is the frame of a description. A port is the mapping's own, and octets are judged by ExpectData.
func (m Matcher) same(f Frame, d spec.Decoded) bool {
	open := func(field string) bool { return slices.Contains(m.free, field) }
	switch {
	case f.Type.String() != d.Type && fmt.Sprintf("0x%02X", byte(f.Type)) != d.Type:
		return false
	case f.Type == wire.TypeAuth:
		return (f.Size > 0) == (d.Form == "proof")
	case d.ID != nil && !open("id") && f.ID() != *d.ID, d.Bind != nil && !open("bind") && f.BindID() != *d.Bind:
		return false
	case d.Status != nil && open("status"):
		return (f.Status() == Success) == (*d.Status == Success)
	case d.Status != nil:
		return f.Status() == *d.Status
	case d.Code != nil && !open("code"):
		return f.Code() == wire.Code(*d.Code)
	case d.Mark != nil:
		m := f.Mark()
		return bytes.Equal(m[:], d.Mark.Bytes())
	case d.Limit != nil && !open("limit"): // a higher one says more
		return f.Limit() >= *d.Limit
	}
	return true
}

// related reports whether f is about the connection that the matcher is about.
func (m Matcher) related(f Frame) bool {
	return f.Type.HasID() && !slices.Contains(m.free, "id") && slices.ContainsFunc(m.like, func(d spec.Decoded) bool { return d.ID != nil && *d.ID == f.ID() })
}

// match says whether f is the frame (1), may come before it (0), or must not (-1).
func (m Matcher) match(f Frame) int {
	switch {
	case f.Malformed() != nil: // the rules that hold in every case see it
		return 0
	case slices.ContainsFunc(m.like, func(d spec.Decoded) bool { return m.same(f, d) }):
		return 1
	case f.Type == TypeData && len(f.Octets()) == 0: // it says nothing (DATA-003); whether it may be sent at all is for the rules that hold in every case
		return 0
	case f.Type == TypeWindow, f.Type == TypePing: // they may come at any time; a PING is answered as it comes
		return 0
	case m.next && !m.skip(f), m.related(f) && !slices.Contains(m.over, f.Type):
		return -1
	}
	return 0
}

// passOver drops from the first n arrivals those that may come before the frame.
func (m Matcher) passOver(inbox []arrival, n int) []arrival {
	if len(m.over) == 0 || n == 0 {
		return inbox
	}
	rest := inbox[n:]
	kept := slices.DeleteFunc(slices.Clone(inbox[:n]), func(a arrival) bool {
		return m.related(a.f) && slices.Contains(m.over, a.f.Type)
	})
	return append(kept, rest...)
}

// step is the matcher as a step of a dialogue, from the subject.
func (m Matcher) step(role Role) spec.Step {
	return spec.Step{From: string(role), Frame: &m.like[0], Or: m.like[1:], Free: m.free, Others: !m.next}
}
