package client

import (
	"net"
	"strconv"
	"time"

	"github.com/adit-tunnel/adit/reference/session"
)

// Status is what a client does at one instant.
type Status struct {
	Server      string    `json:"server"`
	State       string    `json:"state"` // connecting, connected, or waiting for the next attempt
	Since       time.Time `json:"since"`
	Error       string    `json:"error,omitempty"` // why the last tunnel ended, or could not be made
	Profile     string    `json:"profile,omitempty"`
	TLS         bool      `json:"tls"`
	Key         string    `json:"key,omitempty"`
	RTT         float64   `json:"rtt_ms,omitempty"`
	Connections int       `json:"connections"`
	Opened      int64     `json:"opened"`
	Failed      int64     `json:"failed"`
	In          int64     `json:"octets_in"` // to services
	Out         int64     `json:"octets_out"`
	Published   []string  `json:"published"` // ADDRESS leads to TARGET
}

// stage is how far a client has come.
type stage struct {
	state   string
	since   time.Time
	err     error
	session *session.Session // the newest; nil: there was none
}

// reach notes how far the client has come. An error stays until the next tunnel is there.
func (c *Client) reach(state string, s *session.Session, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil && state != "connected" {
		err = c.stage.err
	}
	c.stage = stage{state, time.Now(), err, s}
	if state == "connected" && c.tried != nil {
		c.tried()
	}
}

// Status is the client's, now. Its counters are those of the tunnel that is there.
func (c *Client) Status() Status {
	c.mu.Lock()
	at := c.stage
	c.mu.Unlock()
	s := Status{Server: c.cfg.Server, State: at.state, Since: at.since, TLS: c.cfg.TLS != nil, Published: []string{}}
	if at.err != nil {
		s.Error = at.err.Error()
	}
	if c.publisher != nil && at.session != nil {
		s.Published = append(s.Published, c.publisher.addresses()...)
	}
	if at.session != nil {
		st := at.session.Stats()
		s.Profile, s.Key, s.RTT = st.Protocol.String(), st.Key, float64(st.RTT.Microseconds())/1000
		s.Connections, s.Opened, s.Failed, s.In, s.Out = st.Active, st.Opened, st.Failed, st.PayloadIn, st.PayloadOut
	}
	return s
}

// addresses are what visitors use, of what the server has given on this tunnel.
func (p *publisher) addresses() (all []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, x := range p.all {
		switch {
		case x.id == 0 || !x.shown:
		case x.Named:
			all = append(all, x.String()+" leads to "+x.Target.String())
		default:
			all = append(all, net.JoinHostPort(p.host, strconv.Itoa(x.given))+" leads to "+x.Target.String())
		}
	}
	return all
}
