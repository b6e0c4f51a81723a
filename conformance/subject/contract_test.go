//go:build unix

package subject

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestACommandIsToldWhatAnImageIsTold(t *testing.T) {
	t.Parallel()
	const names = "ADIT_ROLE ADIT_TUNNEL ADIT_SERVER ADIT_VISITOR ADIT_TARGET ADIT_API ADIT_SCENARIO OWN"
	f := parse(t, `
name: told
server: {command: "HELPER contract `+names+`", ready: {log: OWN}}
client: {command: "HELPER contract `+names+`", ready: {log: OWN}}
api: auto
env: {OWN: "of the file", ADIT_API: "{api.port}"}
`)
	in := start(t, f, Options{At: Addrs{API: "127.0.0.1:8"}, Scenario: "FRAME-004/server"})
	for _, tt := range []struct {
		p            *Process
		role, tunnel string
	}{
		{in.Server, "server", "ADIT_TUNNEL=" + in.At.Tunnel + " ADIT_SERVER="},
		{in.Client, "client", "ADIT_TUNNEL= ADIT_SERVER=" + in.At.Tunnel},
	} {
		want := strings.Join([]string{
			"ADIT_ROLE=" + tt.role, tt.tunnel, "ADIT_VISITOR=" + in.At.Visitor, "ADIT_TARGET=" + in.At.Target,
			"ADIT_API=8", "ADIT_SCENARIO=FRAME-004/server", "OWN=of the file ",
		}, " ")
		if got := tt.p.Log(0); !slices.Equal(got, []string{want}) {
			t.Errorf("%s was told %q; want %q", tt.p.Name, got, want)
		}
	}
}

func TestACommandThatDeclinesIsBelievedWhenItDeclinesAnUnknownScenarioToo(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		command, scenario string
		want              string // empty: it starts
		declined          bool
	}{
		{"HELPER picky", "known", "", false},
		{"HELPER picky", "unknown", "server does not support the scenario unknown: ", true},
		{"HELPER status 127", "", "server does not support its role: ", true},
		{"sh -c no-such-command-here", "known", "no-such-command-here", true}, // its last lines tell the difference
		{"HELPER careless", "known", "server ended too early: ", false},
		{"HELPER careless", "unknown", "", false},
		{"HELPER status 126", "known", "exit status 126", false},
	} {
		f := parse(t, `{name: x, server: {command: "`+tt.command+`", ready: {log: "^up$", within: 20s}}}`)
		in, err := f.Start(t.Context(), Options{Scenario: tt.scenario, Grace: time.Second})
		if err == nil {
			_ = in.Close()
		}
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("Start of %q for %q: %v; want %q", tt.command, tt.scenario, err, tt.want)
		}
		_, declined := errors.AsType[*DeclinedError](err)
		if declined != tt.declined || errors.Is(err, errors.ErrUnsupported) != tt.declined {
			t.Errorf("Start of %q for %q: %v; want declined: %v", tt.command, tt.scenario, err, tt.declined)
		}
	}
}
