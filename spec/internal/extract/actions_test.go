package main

import (
	"fmt"
	"strings"
	"testing"
)

// The state tables are made of the words of sections 7.3 and 7.4: anything else is refused, with the line of the row.
func TestRefusesUnknownWords(t *testing.T) {
	md := protocol(t)
	for _, c := range []struct{ name, row, bad, want string }{
		{"an unknown action", "| Data | drop, send Close | connection error → abandoned |", "| Data | dlop, send Close | connection error → abandoned |", `table server-states: row "Data", state idle: no action is named "dlop"`},
		{"actions without a comma", "| Data | drop, send Close | connection error → idle |", "| Data | drop send Close | connection error → idle |", `table client-states: row "Data", state idle: no action is named "drop send Close"`},
		{"an unknown event", "| visitor reset | cannot occur |", "| visitor rests | cannot occur |", `no event of a server is named "visitor rests"`},
		{"an event of the other role", "| dial failed | cannot occur |", "| visitor reset | cannot occur |", `no event of a client is named "visitor reset"`},
		{"an unknown state", "| dial → dialing |", "| dial → dailing |", `row "ConnectRequest", state idle: no state is named "dailing"`},
		{"a second row", "| dial failed | cannot occur |", "| dial succeeded | cannot occur |", `second row "dial succeeded"`},

		{"an unused event", "| close-wait | both |", "| clothes-wait | both |", `no event of a server is named "close-wait"`},
		{"an event of a role without the row", "| dial failed | client |", "| dial failed | both |", `the table server-states has no row "dial failed"`},
		{"an unknown role", "| dial failed | client |", "| dial failed | peer |", `role "peer"`},
		{"an unknown cause", "| tunnel lost | both | tunnel |", "| tunnel lost | both | fate |", `cause "fate"`},
		{"an unknown frame", "| Data | both | frame | Data |", "| Data | both | frame | Date |", `no frame is named "Date"`},
		{"an unknown status", "| frame | ConnectResponse failure |", "| frame | ConnectResponse refused |", `status "refused" of ConnectResponse`},
		{"a status of a frame without one", "| frame | Close |", "| frame | Close success |", "Close has no status"},
		{"an unknown timer", "| timer | close-wait |", "| timer | close-late |", `no time is named "close-late"`},
		{"a timer that is a size", "| timer | close-wait |", "| timer | queue |", `no time is named "queue"`},
		{"an unknown act of a local socket", "| local socket | takes all |", "| local socket | takes some |", `a local socket that "takes some"`},
		{"an unknown act of the tunnel", "| tunnel | ends |", "| tunnel | bends |", `a tunnel that "bends"`},
		{"two events of one name", "| dial failed | client | local", "| dial succeeded | client | local", `second row "dial succeeded"`},

		{"an unused action", "| send one more Close | Close |", "| send yet a Close | Close |", `no action is named "send one more Close"`},
		{"an action for a state that does not use it", "| connection error (dialing) |", "| connection error (closing) |", `no cell of the state tables says "connection error (closing)"`},
		{"two actions of one name", "| send one more Close | Close |", "| send Close | Close |", `second row "send Close"`},
		{"an unknown effect on the socket", "| deliver | nothing | deliver | add |", "| deliver | nothing | throw | add |", `local socket "throw"`},
		{"an unknown effect on the queue", "| deliver | nothing | deliver | add |", "| deliver | nothing | deliver | pile |", `queue "pile"`},
		{"an action that sends an unknown frame", "| send one more Close | Close |", "| send one more Close | Clothes |", `send one more Close: no frame is named "Clothes"`},
		{"an event of some frames", "| frame | any of Core |", "| frame | any of Cork |", `no frame is named "any"`},
		{"an unknown act of a connection", "| connection | own accord |", "| connection | whim |", `a connection of which "whim"`},
		{"an event that both tables have", "| RESET | both | frame | RESET |", "| Close | both | frame | Close |", `second row "Close"`},
		{"an unused event of the Extended profile", "| credit due | both |", "| credit overdue | both |", `no event of a server is named "credit due"`},
		{"an unknown code", "| send RESET timed-out | RESET timed-out |", "| send RESET timed-out | RESET late |", `code "late" of RESET is not in the table codes`},
		{"a code of a frame without one", "| send FIN | FIN |", "| send FIN | FIN drain |", `status "drain" of FIN`},
		{"an action that both tables have", "| wait for credit | nothing |", "| hold | nothing |", `second row "hold"`},
		{"an action with two states", "| connection error (dialing) |", "| connection error (dialing, open) |", `action "connection error (dialing, open)"`},
	} {
		at := strings.Index(md, c.row)
		if at < 0 {
			t.Fatalf("%s: nothing to replace", c.name)
		}
		bad := md[:at] + c.bad + md[at+len(c.row):]
		err := readTables(t, bad)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: read = %v; want %q", c.name, err, c.want)
			continue
		}
		line := strings.Count(md[:at], "\n") + 1
		if unused := strings.Contains(c.name, "an unused"); !unused && !strings.HasPrefix(err.Error(), fmt.Sprintf("PROTOCOL.md:%d: ", line)) {
			t.Errorf("%s: read = %v; want line %d", c.name, err, line)
		}
	}
}

// A frame about a connection has a row in every table of whole connections.
func TestRefusesAFrameWithoutStateRow(t *testing.T) {
	md := protocol(t)
	for _, c := range []struct{ row, want string }{
		{"| Close | ignore | cancel the dial", "table client-states: no row for the frame Close"},
		{"| WINDOW | tunnel error | as the out half | as the out half |", "table ext-server-states: no row for the frame WINDOW"},
	} {
		begin := strings.Index(md, c.row)
		end := begin + strings.Index(md[begin:], "\n") + 1
		if err := readTables(t, md[:begin]+md[end:]); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("read = %v; want %q", err, c.want)
		}
	}
}
