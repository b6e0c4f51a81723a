package client

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/adit-tunnel/adit/reference/mapping"
	"github.com/adit-tunnel/adit/reference/session"
	"github.com/adit-tunnel/adit/spec"
	"github.com/adit-tunnel/adit/spec/wire"
)

// Publication is what a client asks its server for (PROTOCOL.md section 32), and where the visitors are led to, whatever the
// policy says.
type Publication struct {
	Service string // by which server and client know it
	Port    int    // the public one that is asked for; 0: any
	Named   bool   // no port: the server's own mappings lead to the service by its name
	Target  session.Target
}

func (p Publication) String() string {
	if p.Named {
		return "name " + p.Service
	}
	if p.Port == 0 {
		return "any port"
	}
	return fmt.Sprintf("port %d", p.Port)
}

const publishForms = "want PORT, PORT=TARGET or NAME=TARGET, where PORT is the public one (0 for any), NAME 1 to 63 of a-z, 0-9 and -, and TARGET a port or HOST:PORT, like 10080=web.lan:80"

// ParsePublications reads publications; a target without a host is at host.
func ParsePublications(texts []string, host string) ([]Publication, error) {
	var all []Publication
	for _, text := range texts {
		p, err := parsePublication(text, host)
		if err != nil {
			return nil, fmt.Errorf("%q: %w; %s", text, err, publishForms)
		}
		if slices.ContainsFunc(all, func(o Publication) bool { return o.Service == p.Service }) {
			return nil, fmt.Errorf("%q: there is one of that port, name or target already; give each once", text)
		}
		all = append(all, p)
	}
	return all, nil
}

func parsePublication(text, host string) (p Publication, err error) {
	public, target, hasTarget := strings.Cut(text, "=")
	port, err := strconv.ParseUint(public, 10, 16)
	switch {
	case err == nil && port == 0 && !hasTarget:
		return p, fmt.Errorf("any public port needs a target")
	case err == nil:
		p.Service, p.Port = public, int(port)
	case !hasTarget || !wire.ValidLabel(public) || strings.Trim(public, "0123456789") == "":
		return p, fmt.Errorf("neither a port up to 65535 nor a name")
	default:
		p.Service, p.Named = public, true
	}
	if !hasTarget {
		target = public
	}
	at, number, err := mapping.ParseTarget(target)
	if err != nil {
		return p, err
	}
	p.Target = session.Target{Host: at, Port: uint16(number)}
	if at == "" {
		p.Target.Host = host
	}
	switch {
	case p.Named:
	case p.Port == 0:
		p.Service = labelOf("any-" + target)
	default:
		p.Service = strconv.Itoa(p.Port) // without zeros in front
	}
	return p, nil
}

// labelOf is a text as a label.
func labelOf(text string) string {
	label := strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' || '0' <= r && r <= '9' {
			return r
		}
		return '-'
	}, strings.ToLower(text))
	return label[:min(len(label), 63)]
}

// publisher asks for publications on every new tunnel, and again when they are refused for a while. Safe for use from any number
// of goroutines. It calls sessions under its lock, and no session calls it under one.
type publisher struct {
	log  *slog.Logger
	host string // where visitors reach the server
	told func(p Publication, address string)

	targets atomic.Pointer[map[string]session.Target] // by service

	mu     sync.Mutex // guards the following fields
	all    []*published
	tunnel *asker // the newest that is up
	closed bool
}

// published is a publication, and how far it has come.
type published struct {
	Publication
	given int    // the port that it has, or had on the last tunnel; 0: none
	asked int    // for which port the last BIND was
	id    uint32 // of that BIND, on the newest tunnel; 0: there is none, or it came to nothing
	shown bool   // somebody was told
	wait  *time.Timer
}

// asker is the publisher of one tunnel.
type asker struct {
	*publisher
	session *session.Session
}

func newPublisher(cfg Config, log *slog.Logger) *publisher {
	if len(cfg.Publish) == 0 {
		return nil
	}
	host, _, err := net.SplitHostPort(cfg.Server)
	if err != nil {
		host = cfg.Server
	}
	p := &publisher{log: log, host: host, told: cfg.Published}
	for _, one := range cfg.Publish {
		p.all = append(p.all, &published{Publication: one})
	}
	p.setTargetsLocked()
	return p
}

// target is where a service is.
func (p *publisher) target(service string) (session.Target, bool) {
	if p == nil {
		return session.Target{}, false
	}
	target, ok := (*p.targets.Load())[service]
	return target, ok
}

// Serves is part of session.Publisher.
func (p *publisher) Serves(service string) bool { _, ok := p.target(service); return ok }

// up asks for everything on a new tunnel (BIND-009).
func (a *asker) up() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.tunnel = a
	for _, x := range a.all {
		a.askLocked(x)
	}
}

// askLocked asks for a publication, with the port that it had.
func (a *asker) askLocked(x *published) {
	if x.wait != nil {
		x.wait.Stop()
	}
	x.asked = x.Port
	if x.given != 0 {
		x.asked = x.given
	}
	x.id = a.session.Bind(wire.Bind{Service: x.Service, Port: uint16(x.asked), HasPort: !x.Named})
}

// laterLocked asks again after a while (BIND-012).
func (a *asker) laterLocked(x *published) time.Duration {
	again := spec.LimitOf("bind-again")
	after := again.MinTime() + rand.N(again.MaxTime()-again.MinTime())
	x.wait = time.AfterFunc(after, func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.tunnel == a && !a.closed {
			a.askLocked(x)
		}
	})
	return after
}

// ofLocked is the publication whose last BIND on this tunnel, the newest, had that ID; nil: there is none.
func (a *asker) ofLocked(id uint32) *published {
	if a.tunnel != a || a.closed {
		return nil
	}
	for _, x := range a.all {
		if x.id == id {
			return x
		}
	}
	return nil
}

// Bound is part of session.Publisher.
func (a *asker) Bound(v wire.Bound) {
	a.mu.Lock()
	defer a.mu.Unlock()
	x := a.ofLocked(v.ID)
	if x == nil {
		return
	}
	log := a.log.With("publish", x.Publication.String(), "target", x.Target.String())
	switch {
	case v.Code == wire.CodeOK:
		a.givenLocked(x, int(v.Port), log)
	case v.Code == wire.CodeDrain: // the next tunnel asks
	case v.Code == wire.CodeInUse && x.Port == 0 && x.asked != 0: // BIND-009
		x.given = 0
		a.askLocked(x)
	case v.Code == wire.CodeInUse || v.Code == wire.CodeTooMany:
		x.id = 0
		log.Warn("not published: "+remedies[v.Code], "again", a.laterLocked(x).Round(time.Second), "code", v.Code.String(), "reason", v.Text)
	default:
		x.id = 0
		what, ok := remedies[v.Code]
		if !ok {
			what = "the server refuses it"
		}
		log.Error("not published: "+what, "code", v.Code.String(), "reason", v.Text)
	}
}

// remedies say what a refusal means, and what can be done.
var remedies = map[wire.Code]string{
	wire.CodeInUse:       "another client or mapping has it; end that, or choose another port",
	wire.CodeTooMany:     "the server gives this client no more; publish less",
	wire.CodeDenied:      "the server does not allow it; its reason says why, and its operator can change that",
	wire.CodeUnsupported: "the server cannot do that; it may be older than this client",
}

func (a *asker) givenLocked(x *published, port int, log *slog.Logger) {
	address := "" // of a name
	if !x.Named {
		address = net.JoinHostPort(a.host, strconv.Itoa(port))
		if x.Port != 0 && x.Port != port {
			log.Warn("the server gave another port than the one that was asked for", "port", port)
		}
	}
	log.Info("published", "address", address, "service", x.Service)
	if (!x.shown || x.given != port) && a.told != nil {
		a.told(x.Publication, address)
	}
	x.given, x.shown = port, true
}

// Unbound is part of session.Publisher.
func (a *asker) Unbound(id uint32, code wire.Code) {
	a.mu.Lock()
	defer a.mu.Unlock()
	x := a.ofLocked(id)
	if x == nil {
		return
	}
	x.id = 0
	log := a.log.With("publish", x.Publication.String(), "target", x.Target.String(), "code", code.String())
	switch code { // BIND-015
	case wire.CodeReplaced:
		log.Warn("no longer published: another client of the same owner has taken it over; end one of the two")
	case wire.CodeDenied:
		log.Warn("no longer published: the server does not allow it any more; its operator can change that")
	default:
		log.Warn("no longer published: the server has ended it", "again", a.laterLocked(x).Round(time.Second))
	}
}

// close asks for nothing any more.
func (p *publisher) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, x := range p.all {
		if x.wait != nil {
			x.wait.Stop()
		}
	}
}
