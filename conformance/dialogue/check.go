package dialogue

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/adit-tunnel/adit/conformance/engine"
	"github.com/adit-tunnel/adit/spec"
)

// Read reads a dialogue from a file. An error names what is wrong, and where.
func Read(name string) (spec.Vector, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return spec.Vector{}, err
	}
	v, err := spec.ParseVector(b)
	if err == nil {
		err = Check(v)
	}
	if err != nil {
		return v, fmt.Errorf("%s: %w", name, err)
	}
	return v, nil
}

// Check says what of a dialogue cannot be played, and in which field.
func Check(v spec.Vector) error {
	switch {
	case v.Kind != "dialogue":
		return fmt.Errorf("kind: %q; must be dialogue", v.Kind)
	case !slices.Contains([]string{"server", "client", "both"}, v.Role):
		return fmt.Errorf("role: %q; must be server, client or both", v.Role)
	case len(v.Steps) == 0:
		return errors.New("steps: missing")
	case len(v.Requirements) == 0:
		return errors.New("requirements: missing")
	}
	for _, id := range v.Requirements {
		if _, ok := spec.Lookup(id); !ok {
			return fmt.Errorf("requirements: PROTOCOL.md has no %s", id)
		}
	}
	names := scope{socket: map[string]bool{}, tunnels: 1}
	for i, s := range v.Steps {
		if err := names.step(v.Role, s); err != nil {
			return fmt.Errorf("steps[%d].%w", i, err)
		}
	}
	return checkFound(v.Found)
}

func checkFound(f *spec.Found) error {
	if f == nil {
		return nil
	}
	shows := 0
	for _, by := range []bool{f.Rule, f.Dies, f.RSS != 0} {
		if by {
			shows++
		}
	}
	switch {
	case shows > 1:
		return errors.New("found: rule, dies and rss_above: one of them at most")
	case f.RSS < 0:
		return errors.New("found.rss_above: must be more than 0")
	case !slices.Contains(engine.Cuts[:], engine.Cut(f.Cut)):
		return fmt.Errorf("found.cut: %q; must be one of %q", f.Cut, engine.Cuts[1:])
	}
	return nil
}

// A scope is what the steps so far have brought about.
type scope struct {
	socket  map[string]bool
	tunnels int
}

// step checks one step.
func (c *scope) step(role string, s spec.Step) error {
	kinds := 0
	for _, kind := range []string{s.From, s.Event, s.Expect} {
		if kind != "" {
			kinds++
		}
	}
	switch {
	case kinds != 1:
		return errors.New("from, event, expect: a step has exactly one of them")
	case s.Tunnel > c.tunnels:
		return fmt.Errorf("tunnel: %d; the steps before begin %d", s.Tunnel, c.tunnels)
	case s.From != "" && s.From != "server" && s.From != "client":
		return fmt.Errorf("from: %q; must be server or client", s.From)
	case (s.From == role || s.From != "" && role == "both") && s.Frame == nil:
		return errors.New("frame: missing; the subject is expected to send one")
	case s.Frame != nil && s.Frame.Type == engine.TypeData.String() && s.Frame.Octets == nil:
		return errors.New("frame.octets: missing")
	case s.Frame != nil && (s.Frame.Type == engine.TypeConnectRequest.String() || s.Frame.Type == engine.TypeOpen.String()) && s.Frame.ID == nil:
		return errors.New("frame.id: missing")
	}
	if err := s.Octets.Check(); err != nil {
		return err
	}
	if s.Frame != nil && s.Frame.Octets != nil {
		if err := s.Frame.Octets.Check(); err != nil {
			return fmt.Errorf("frame.%w", err)
		}
	}
	if s.Within != "" {
		if _, _, err := limit(s.Within); err != nil {
			return fmt.Errorf("within: %w", err)
		}
	}
	for field, text := range map[string]string{"pause": s.Pause, "not_before": s.NotBefore} {
		if _, err := time.ParseDuration(text); err != nil && text != "" {
			return fmt.Errorf("%s: %q is no time, like 1.5s", field, text)
		}
	}
	return c.words(s)
}

// words checks what an event or an expectation says, and what it is about.
func (c *scope) words(s spec.Step) error {
	switch s.Event {
	case "visitor connects", accepts, refuses, hangs:
		c.socket[s.Conn] = true
		return nil
	case "tunnel begins":
		c.tunnels++
		return nil
	}
	who, what := local(s.Event + s.Expect)
	peer := who == "visitor" || who == "service"
	switch {
	case s.From != "", events[s.Event] != nil:
		return nil
	case s.Event != "" && (!peer || deeds[what] == nil):
		return fmt.Errorf("event: %q is none", s.Event)
	case s.Expect == "service is dialled":
		c.socket[s.Conn] = true
		return nil
	case views[s.Expect] != nil:
		return nil
	case s.Expect != "" && (!peer || sights[what] == nil):
		return fmt.Errorf("expect: %q is nothing that can be seen", s.Expect)
	case !c.socket[s.Conn]:
		return fmt.Errorf("conn: no step before opens the %s %s", who, strings.TrimSpace(s.Conn))
	}
	return nil
}
