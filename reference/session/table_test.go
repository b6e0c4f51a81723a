package session

import (
	"maps"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/adit-tunnel/adit/reference/sock"
	"github.com/adit-tunnel/adit/spec"
	"github.com/adit-tunnel/adit/spec/wire"
)

// tableConfig keeps every timer out of the way that a cell does not ask for.
var tableConfig = Config{
	FirstID: 1, KeepAliveInterval: time.Hour, DeadPeer: 2 * time.Hour, MaxQueue: 8,
}

// outcome is what a cell of a state table leads to, apart from the state, which the text itself says.
type outcome struct {
	frames [][]byte // what the session sends
	local  string   // what the local peer sees; "": not looked at
	req    string   // the requirement that a tunnel error names
}

// The cells that cannot come about in this engine although the text fills them: a connection is closing
// only once its local stream has ended or the socket was reset, so nothing more comes from it.
var unreachable = []string{
	"closing/visitor octets", "closing/visitor end of stream, no octet before", "closing/visitor end of stream after octets",
	"closing/service octets", "closing/service end of stream",
}

var (
	nothing   = outcome{}
	sendClose = outcome{frames: [][]byte{closeFrame(1)}}
	cutOff    = outcome{local: reset}
)

var serverCells = map[string]outcome{
	"idle/visitor accepted":                            {frames: [][]byte{request(1, 22, "127.0.0.1")}},
	"idle/ConnectResponse success":                     nothing,
	"idle/ConnectResponse failure":                     nothing,
	"idle/Data":                                        sendClose,
	"idle/Close":                                       nothing,
	"idle/ConnectRequest":                              {req: "OPEN-010"},
	"idle/tunnel lost":                                 nothing,
	"requested/ConnectResponse success":                {local: still},
	"requested/ConnectResponse failure":                cutOff,
	"requested/Data":                                   {frames: [][]byte{closeFrame(1)}, local: reset},
	"requested/Close":                                  cutOff,
	"requested/ConnectRequest":                         {req: "OPEN-010", local: reset},
	"requested/visitor octets":                         {local: still},
	"requested/visitor end of stream, no octet before": {frames: [][]byte{closeFrame(1)}, local: eof},
	"requested/visitor end of stream after octets":     {local: still},
	"requested/visitor reset":                          sendClose,
	"requested/connect-timeout":                        {frames: [][]byte{closeFrame(1)}, local: reset},
	"requested/tunnel lost":                            cutOff,
	"abandoned/ConnectResponse success":                sendClose,
	"abandoned/ConnectResponse failure":                nothing,
	"abandoned/Data":                                   nothing,
	"abandoned/Close":                                  nothing,
	"abandoned/ConnectRequest":                         {req: "OPEN-010"},
	"abandoned/close-wait":                             nothing,
	"abandoned/tunnel lost":                            nothing,
	"open/ConnectResponse success":                     {local: still},
	"open/ConnectResponse failure":                     {local: still},
	"open/Data":                                        {local: `bytes "1234"`},
	"open/Close":                                       {frames: [][]byte{closeFrame(1)}, local: eof},
	"open/ConnectRequest":                              {req: "OPEN-010", local: reset},
	"open/visitor octets":                              {frames: [][]byte{data(1, "abc")}, local: still},
	"open/visitor end of stream, no octet before":      {frames: [][]byte{closeFrame(1)}, local: eof},
	"open/visitor end of stream after octets":          {frames: [][]byte{data(1, "abc"), closeFrame(1)}, local: eof},
	"open/visitor reset":                               sendClose,
	"open/stall-limit":                                 {frames: [][]byte{closeFrame(1)}, local: `bytes "1234"`},
	"open/tunnel lost":                                 cutOff,
	"closing/ConnectResponse success":                  nothing,
	"closing/ConnectResponse failure":                  nothing,
	"closing/Data":                                     nothing,
	"closing/Close":                                    nothing,
	"closing/ConnectRequest":                           {req: "OPEN-010"},
	"closing/visitor reset":                            nothing,
	"closing/queued octets all written":                {local: eof},
	"closing/close-stall":                              cutAfterBytes,
	"closing/close-drain":                              {local: eof},
	"closing/close-wait":                               cutAfterBytes,
	"closing/tunnel lost":                              cutAfterBytes,
	"draining/ConnectResponse success":                 nothing,
	"draining/ConnectResponse failure":                 nothing,
	"draining/Data":                                    nothing,
	"draining/Close":                                   nothing,
	"draining/ConnectRequest":                          {req: "OPEN-010"},
	"draining/visitor octets":                          nothing,
	"draining/visitor end of stream, no octet before":  nothing,
	"draining/visitor end of stream after octets":      nothing,
	"draining/visitor reset":                           sendClose,
	"draining/queued octets all written":               {frames: [][]byte{closeFrame(1)}, local: eof},
	"draining/close-total":                             sendClose,
	"draining/close-stall":                             {frames: [][]byte{closeFrame(1)}, local: `bytes "1234"`},
	"draining/tunnel lost":                             cutAfterBytes,
	"lingering/visitor octets":                         nothing,
	"lingering/visitor end of stream, no octet before": {local: eof},
	"lingering/visitor end of stream after octets":     {local: eof},
	"lingering/visitor reset":                          nothing,
	"lingering/queued octets all written":              {local: eof},
	"lingering/close-stall":                            cutAfterBytes,
	"lingering/close-drain":                            {local: eof},
	"lingering/tunnel lost":                            {local: eof},
	"retired/ConnectResponse success":                  nothing,
	"retired/ConnectResponse failure":                  nothing,
	"retired/Data":                                     nothing,
	"retired/Close":                                    nothing,
	"retired/ConnectRequest":                           {req: "OPEN-010"},
	"retired/tunnel lost":                              nothing,
}

// cutAfterBytes: the local peer reads what its socket had taken, then a reset.
var cutAfterBytes = outcome{local: `bytes "1234"`}

var failed = outcome{frames: [][]byte{response(1, wire.StatusGeneral)}, local: reset}

var clientCells = map[string]outcome{
	"idle/ConnectRequest":                            nothing,
	"idle/ConnectRequest that cannot be dialled":     {frames: [][]byte{response(1, wire.StatusGeneral)}},
	"idle/ConnectResponse":                           {req: "OPEN-011"},
	"idle/Data":                                      sendClose,
	"idle/Close":                                     nothing,
	"idle/tunnel lost":                               nothing,
	"dialing/ConnectRequest":                         {req: "ID-004", local: reset},
	"dialing/ConnectRequest that cannot be dialled":  {req: "ID-004", local: reset},
	"dialing/ConnectResponse":                        {req: "OPEN-011", local: reset},
	"dialing/Data":                                   failed,
	"dialing/Close":                                  failed,
	"dialing/dial succeeded":                         {frames: [][]byte{response(1, wire.StatusSuccess)}, local: still},
	"dialing/dial failed":                            {frames: [][]byte{response(1, wire.StatusRefused)}},
	"dialing/dial-timeout":                           {frames: [][]byte{response(1, wire.StatusTimedOut)}, local: reset},
	"dialing/tunnel lost":                            cutOff,
	"open/ConnectRequest":                            {req: "ID-004", local: reset},
	"open/ConnectRequest that cannot be dialled":     {req: "ID-004", local: reset},
	"open/ConnectResponse":                           {req: "OPEN-011", local: reset},
	"open/Data":                                      {local: `bytes "1234"`},
	"open/Close":                                     {frames: [][]byte{closeFrame(1)}, local: eof},
	"open/service octets":                            {frames: [][]byte{data(1, "abc")}, local: still},
	"open/service end of stream":                     {frames: [][]byte{closeFrame(1)}, local: eof},
	"open/service reset":                             sendClose,
	"open/stall-limit":                               {frames: [][]byte{closeFrame(1)}, local: `bytes "1234"`},
	"open/tunnel lost":                               cutOff,
	"closing/ConnectRequest":                         {req: "ID-004"},
	"closing/ConnectRequest that cannot be dialled":  {req: "ID-004"},
	"closing/ConnectResponse":                        {req: "OPEN-011"},
	"closing/Data":                                   nothing,
	"closing/Close":                                  nothing,
	"closing/service reset":                          nothing,
	"closing/queued octets all written":              {local: eof},
	"closing/close-stall":                            cutAfterBytes,
	"closing/close-drain":                            {local: eof},
	"closing/close-wait":                             cutAfterBytes,
	"closing/tunnel lost":                            cutAfterBytes,
	"draining/ConnectRequest":                        {req: "ID-004"},
	"draining/ConnectRequest that cannot be dialled": {req: "ID-004"},
	"draining/ConnectResponse":                       {req: "OPEN-011"},
	"draining/Data":                                  nothing,
	"draining/Close":                                 nothing,
	"draining/service octets":                        nothing,
	"draining/service end of stream":                 nothing,
	"draining/service reset":                         sendClose,
	"draining/queued octets all written":             {frames: [][]byte{closeFrame(1)}, local: eof},
	"draining/close-total":                           sendClose,
	"draining/close-stall":                           {frames: [][]byte{closeFrame(1)}, local: `bytes "1234"`},
	"draining/tunnel lost":                           cutAfterBytes,
	"lingering/service octets":                       nothing,
	"lingering/service end of stream":                {local: eof},
	"lingering/service reset":                        nothing,
	"lingering/queued octets all written":            {local: eof},
	"lingering/close-stall":                          cutAfterBytes,
	"lingering/close-drain":                          {local: eof},
	"lingering/tunnel lost":                          {local: eof},
	"retired/ConnectRequest":                         {req: "ID-004"},
	"retired/ConnectRequest that cannot be dialled":  {req: "ID-004"},
	"retired/ConnectResponse":                        {req: "OPEN-011"},
	"retired/Data":                                   nothing,
	"retired/Close":                                  nothing,
	"retired/tunnel lost":                            nothing,
}

// TestEveryCellOfTheServerTable and its twin walk the tables of PROTOCOL.md itself: a cell of the text
// without an outcome here fails, and so does the reverse.
func TestEveryCellOfTheServerTable(t *testing.T) {
	cfg := tableConfig
	cfg.Role = Server
	walkTable(t, cfg, serverCells)
}

func TestEveryCellOfTheClientTable(t *testing.T) {
	cfg := tableConfig
	cfg.Role = Client
	walkTable(t, cfg, clientCells)
}

func walkTable(t *testing.T, cfg Config, cells map[string]outcome) {
	text := nextStates(t, cfg.Role)
	for _, key := range unreachable {
		delete(text, key)
	}
	if want, got := slices.Sorted(maps.Keys(text)), slices.Sorted(maps.Keys(cells)); !slices.Equal(want, got) {
		for _, k := range want {
			if _, ok := cells[k]; !ok {
				t.Errorf("cell %q of the text has no test", k)
			}
		}
		for _, k := range got {
			if _, ok := text[k]; !ok {
				t.Errorf("test %q has no cell in the text", k)
			}
		}
		t.FailNow()
	}
	for key, next := range text {
		t.Run(key, func(t *testing.T) {
			inMemory(t, cfg, func(r *rig) { r.walkCell(key, next, cells[key]) })
		})
	}
}

// walkCell brings connection 1 into a state, causes the event, and checks what comes of it.
func (r *rig) walkCell(key, next string, want outcome) {
	from, event, _ := strings.Cut(key, "/")
	local := r.enter(from, event)
	if f := r.cause(from, event, local); f != nil {
		local = f
	}
	if want.req != "" {
		r.wantEnd(key, want.req)
	} else {
		for _, f := range want.frames {
			r.want(key, f)
		}
	}
	if event == "tunnel lost" {
		if err := <-r.ended; err == nil {
			r.t.Fatalf("%s: Run = nil; want why the tunnel was lost", key)
		} else {
			r.ended <- err
		}
	} else if want.req == "" {
		r.wantIdle(key)
		if next == "draining" && len(want.frames) == 1 {
			next = "lingering" // nothing was queued: at once "queued octets all written"
		}
		if from == "lingering" && want.local == eof {
			next = "idle" // everything is written and the local stream has ended: at once "close-drain"
		}
		r.wantState(1, next)
	}
	if want.local != "" {
		r.wantLocal(local, want.local)
	}
	if strings.HasPrefix(want.local, "bytes") && event != "Data" {
		r.wantLocal(local, reset)
	}
}

// enter brings connection 1 into a state for an event and returns its local peer's end. A connection that is closing,
// draining or lingering has four bytes in its socket and four queued; one that lingers and has still to hear from its
// local peer has none.
func (r *rig) enter(state, event string) far {
	r.limit = 4
	if state == "idle" {
		return nil
	}
	var local far
	var call *dialCall
	if r.s.cfg.Role == Server {
		local = r.visit(home)
		r.want("request", request(1, 22, "127.0.0.1"))
	} else {
		r.send(request(1, 22, "127.0.0.1"))
		call = r.dialled()
		local = call.far
		r.call = call
	}
	switch state {
	case "requested", "dialing":
		return local
	case "abandoned":
		r.abandon(local)
		return local
	}
	if r.s.cfg.Role == Server {
		r.send(response(1, wire.StatusSuccess))
	} else {
		call.result <- nil
		r.want("success", response(1, wire.StatusSuccess))
	}
	r.wantState(1, "open")
	if state == "lingering" && (event == "close-drain" || strings.Contains(event, "octets") && event != "queued octets all written" || strings.Contains(event, "end of stream")) {
		r.send(closeFrame(1))
		r.want("nothing was queued", closeFrame(1))
		return local
	}
	switch state {
	case "closing", "lingering", "retired":
		r.send(data(1, "12345678"))
		synctest.Wait()
		local.CloseWrite()
		r.want("end of the local stream", closeFrame(1))
	case "draining":
		r.send(data(1, "12345678"), closeFrame(1))
	}
	switch state {
	case "lingering":
		r.send(closeFrame(1))
	case "retired":
		r.sleep(61 * time.Second)
	}
	r.wantState(1, state)
	return local
}

func (r *rig) abandon(visitor far) {
	visitor.CloseWrite()
	r.want("the visitor is gone", closeFrame(1))
	r.wantState(1, "abandoned")
}

func (r *rig) sleep(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// cause makes an event happen. It returns the local peer's end if the event made one.
func (r *rig) cause(from, event string, local far) far {
	name, ok := strings.CutPrefix(event, "visitor ")
	if !ok {
		name, _ = strings.CutPrefix(event, "service ")
	}
	switch name {
	case "accepted":
		return r.visit(home)
	case "ConnectResponse success", "ConnectResponse":
		r.send(response(1, wire.StatusSuccess))
	case "ConnectResponse failure":
		r.send(response(1, wire.StatusRefused))
	case "Data":
		r.send(data(1, "1234"))
	case "Close":
		r.send(closeFrame(1))
	case "ConnectRequest":
		r.send(request(1, 22, "127.0.0.1"))
		if from == "idle" && r.s.cfg.Role == Client {
			return r.dialled().far
		}
	case "ConnectRequest that cannot be dialled":
		r.send(request(1, 0, "127.0.0.1"))
	case "dial succeeded":
		r.call.result <- nil
	case "dial failed":
		r.call.result <- syscall.ECONNREFUSED
	case "dial-timeout":
		r.sleep(8 * time.Second)
	case "octets":
		local.Write([]byte("abc"))
	case "end of stream, no octet before", "end of stream":
		local.CloseWrite()
	case "end of stream after octets":
		local.Write([]byte("abc"))
		local.CloseWrite()
	case "reset":
		local.(sock.Stream).Reset()
	case "queued octets all written", "close-drain":
		if from == "lingering" && name == "close-drain" {
			r.sleep(5*time.Second + coarse)
			break
		}
		r.wantBytes(local, "12345678")
	case "connect-timeout":
		r.sleep(10*time.Second + coarse)
	case "stall-limit":
		r.stall()
	case "close-total":
		r.sleep(20 * time.Second)
		r.wantSome(local, "12") // it goes on taking bytes
		r.sleep(10*time.Second + coarse)
	case "close-stall":
		r.sleep(30*time.Second + coarse)
	case "close-wait":
		r.sleep(60*time.Second + coarse)
	case "tunnel lost":
		r.tunnel.Close()
		if from == "lingering" {
			r.wantBytes(local, "12345678")
		}
	default:
		r.t.Fatalf("event %q is not known", event)
	}
	return nil
}

// stall makes the reader wait for connection 1, which takes nothing, while there is another one.
func (r *rig) stall() {
	r.opened(2)
	r.send(data(1, "1234567890123456"))
	r.sleep(5 * time.Second)
}

// nextStates is the state table of a role as PROTOCOL.md prints it: "state/event" to the state that follows,
// without the cells that cannot occur.
func nextStates(t *testing.T, role Role) map[string]string {
	t.Helper()
	next := map[string]string{}
	for _, row := range spec.States(role.String()).Events {
		for _, cell := range row.Cells {
			if cell.To != "" {
				next[cell.State+"/"+row.Event] = cell.To
			}
		}
	}
	if len(next) < 50 {
		t.Fatalf("the table of the %v has %d cells; want more", role, len(next))
	}
	return next
}
