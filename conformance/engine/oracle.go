package engine

import (
	"fmt"
	"time"
)

// A violation is what an oracle saw.
type violation struct {
	req, sentence, got string
	at                 time.Duration
}

// oracles evaluates the rules that hold in every case, whatever it is about,
// over the whole record. They judge the subject's own order of frames alone,
// so that nothing that crossed on the wire counts against it.
func oracles(role Role, events []Event) []violation {
	if role == API {
		return nil
	}
	j := &judgement{book: newBook(role), asked: map[int]int{}, heard: map[int]int{}}
	for _, e := range events {
		k := key{e.Tunnel, e.Frame.ID()}
		switch e.Kind {
		case Sent:
			if e.Frame.Type == TypeKeepAlive && e.Size == 0 {
				j.asked[e.Tunnel]++
			}
			j.book.sent(k, e.Frame)
		case SentRaw:
			j.book.spent[e.Tunnel] = true
		case Broken:
			j.broken(e)
		case Received:
			j.framing(e)
			if e.Bad == nil && !j.book.spent[e.Tunnel] {
				j.connection(k, e)
			}
		}
	}
	return j.found
}

type judgement struct {
	book         *book
	asked, heard map[int]int // KeepAlives by tunnel
	found        []violation
}

// fault records one violation for each requirement and sentence; more of the same adds nothing.
func (j *judgement) fault(e Event, req, sentence string) {
	for _, v := range j.found {
		if v.req == req && v.sentence == sentence {
			return
		}
	}
	got := e.Frame.String()
	if e.Bad != nil {
		got = e.Bad.Error()
	}
	j.found = append(j.found, violation{req, sentence, fmt.Sprintf("%s on %s", got, e.Who), e.At})
}

func (j *judgement) broken(e Event) {
	switch e.Bad {
	case errLength:
		j.fault(e, "FRAME-005", "no payload is longer than 1,048,576 octets")
	case errVersion:
		j.fault(e, "FRAME-001", "everything on the tunnel is frames of version 1")
	}
	// A stream that ends inside a frame is a lost tunnel, not a broken rule.
}

// framing judges what every received frame has to be.
func (j *judgement) framing(e Event) {
	t := e.Frame.Type
	switch {
	case e.Bad != nil:
		j.fault(e, "FRAME-001", "a frame's payload has a size that its type allows")
	case !t.known() && !t.extension() && t < 0x80:
		j.fault(e, "FRAME-009", "no frame of a reserved type is sent")
	case t == TypeConnectRequest && j.book.role == Client:
		j.fault(e, "FRAME-001", "a client sends no ConnectRequest (section 5)")
	case t == TypeConnectResponse && j.book.role == Server:
		j.fault(e, "FRAME-001", "a server sends no ConnectResponse (section 5)")
	case t == TypeKeepAlive && j.book.role == Server:
		if j.heard[e.Tunnel]++; j.heard[e.Tunnel] > j.asked[e.Tunnel] {
			j.fault(e, "ALIVE-002", "a server sends no KeepAlive that answers none")
		}
	}
}

// connection judges a received frame by the life of its ID.
func (j *judgement) connection(k key, e Event) {
	f := e.Frame
	if !f.Type.hasID() {
		return
	}
	l, known := j.book.at(k)
	switch f.Type {
	case TypeConnectRequest:
		if j.book.role != Server {
			return
		}
		if known && !l.over() {
			j.fault(e, "ID-001", "a ConnectRequest has an ID that is not in use")
		}
		j.book.lives[k] = new(life)
	case TypeConnectResponse:
		if j.book.role != Client {
			return
		}
		switch {
		case !known:
			j.fault(e, "OPEN-004", "a ConnectResponse answers a ConnectRequest")
		case l.answers > 0:
			j.fault(e, "OPEN-004", "a ConnectRequest gets one ConnectResponse, not two")
		case l.theirs > 0:
			j.fault(e, "OPEN-004", "a ConnectRequest gets a ConnectResponse or a Close in its place, not both")
		}
		l.answers++
		l.opened = l.opened || f.Status() == Success
		l.failed = l.failed || f.Status() != Success
	case TypeData:
		switch {
		case l.theirs > 0 && known:
			j.fault(e, "DATA-008", "no Data follows the subject's own Close")
		case !l.opened:
			j.fault(e, "OPEN-017", "no Data comes before success")
		}
		l.spoke = true
	case TypeClose:
		j.close(l, known, e)
	}
}

// close judges a Close from the subject.
func (j *judgement) close(l *life, known bool, e Event) {
	l.theirs++
	switch {
	case l.unending:
	case !known && l.mine > 0:
		j.fault(e, "CLOSE-007", "Close for an ID that nobody knows gets no answer")
	case !known:
		j.fault(e, "CLOSE-001", "no Close comes for an ID that was never requested")
	case l.theirs == 1 && l.failed && j.book.role == Client:
		j.fault(e, "OPEN-004", "a failure response is a client's last word: no Close follows it")
	case l.theirs == 1:
		if j.book.role == Client && !l.opened {
			l.failed = true // a Close in place of the response
		}
	case l.licence > 0:
		l.licence--
	case j.book.role == Server && l.opened && !l.spoke && l.theirs == 2:
		// The success may have met an abandoned ID: OPEN-025.
	default:
		j.fault(e, "CLOSE-001", "a connection gets exactly one Close from each side, and this is one more")
	}
}
