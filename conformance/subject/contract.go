package subject

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
)

// The contract of commands and images alike. A program finds ADIT_ROLE,
// ADIT_TUNNEL (a server's) or ADIT_SERVER (a client's), ADIT_VISITOR,
// ADIT_TARGET, ADIT_API, each host:port, ADIT_SCENARIO, what it is started
// for, and ADIT_INSTANCE, by which what it starts is known (owner.go). An image writes a line with the word ready, unless ready says otherwise;
// a command is ready when ready says so, and at once without. Exit status 127
// before that declines the scenario, if the program gives it to a scenario that
// does not exist, too.
const (
	imageReady   = `(?i)\bready\b` // the line that is waited for when an image's role says nothing else
	scenario     = "ADIT_SCENARIO"
	notSupported = 127 // exit status
)

// A DeclinedError says that a program does not support the scenario that it was started for.
type DeclinedError struct {
	*ExitError
	Scenario string // empty: none, it declines its role
}

func (e *DeclinedError) Error() string {
	what := "the scenario " + e.Scenario
	if e.Scenario == "" {
		what = "its role"
	}
	return fmt.Sprintf("%s does not support %s: %s: %s, as for a scenario that does not exist%s", e.Process, what, e.Command, e.Status, quoteLog(e.Log))
}

func (e *DeclinedError) Unwrap() error { return errors.ErrUnsupported }

// contract is the variables that every program of a role finds.
func contract(role string, v values, scene string) []string {
	at, env := v.at, []string{"ADIT_ROLE=" + role, mark(v.dir)}
	for _, v := range []struct{ name, value string }{
		{map[string]string{"server": "ADIT_TUNNEL", "client": "ADIT_SERVER"}[role], at.Tunnel},
		{"ADIT_VISITOR", at.Visitor},
		{"ADIT_TARGET", at.Target},
		{"ADIT_API", at.API},
		{scenario, scene},
	} {
		if v.value != "" {
			env = append(env, v.name+"="+v.value)
		}
	}
	return env
}

// judgeDecline judges a program that ended before it was ready. Exit status 127
// says that it does not support this role or scenario, but a shell says the same
// of a missing command in one place, and a program that knows its scenarios says
// it of one that does not exist: only then it is believed.
func (g *gate) judgeDecline(ctx context.Context, p *Process, scene string, early error) error {
	if p.lastEnd().code != notSupported {
		return early
	}
	probe := newProcess(p.Name, p.program.with(scenario+"="+rand.Text()), Options{Grace: p.grace})
	again := *g
	again.procs = []*Process{probe}
	said := again.up(ctx, probe) != nil && !probe.Running() && probe.lastEnd().code == notSupported
	if err := probe.close(); err != nil {
		return err
	}
	if !said {
		return fmt.Errorf("%w\n    (exit status 127 means \"not supported\" from a program that gives it to a scenario that does not exist, too; this one does not)", early)
	}
	return &DeclinedError{p.exitError(), scene}
}
